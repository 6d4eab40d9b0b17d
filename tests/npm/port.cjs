// node --require ./port.cjs …: whatever goes to port 8080, the only one that the client knows, goes to PORT instead.
const net = require('net');
const { connect } = net.Socket.prototype;

net.Socket.prototype.connect = function (...given) {
  const options = Array.isArray(given[0]) ? given[0][0] : given[0];
  if (options && Number(options.port) === 8080) options.port = Number(process.env.PORT);
  return connect.apply(this, given);
};
