// Listens with the official client, unmodified: node listen.cjs CONFIG.json prints one line of JSON for each thing heard.
// With cut_every = N the connection is cut, as by a network, after about every N-th event.
const { readFileSync } = require('fs');
const { PeriskopeApi } = require('@periskope/periskope-client');
const { WebhookEvents } = require('@periskope/periskope-client/dist/types/eventTypes');

const { token, phone, cut_every, seed } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const client = new PeriskopeApi({ authToken: token, phone, env: 'local' });
let state = seed || 1;
const dice = (sides) => (state = (state * 1103515245 + 12345) % 2147483648) % sides;
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
console.log = console.error = () => {};

client.connect();
const { socket } = client;
socket.io.reconnectionDelay(20).reconnectionDelayMax(50);
socket.on('connect', () => say({ heard: 'connect', recovered: Boolean(socket.recovered) }));
socket.on('disconnect', (reason) => say({ heard: 'disconnect', reason }));
socket.on('connect_error', (error) => say({ heard: 'connect_error', message: error.message, data: error.data ?? null }));
socket.on('error', (error) => say({ heard: 'error', error }));
for (const name of Object.values(WebhookEvents))
  client.on(name, (data, place) => {
    say({ heard: 'event', name, data, place });
    if (cut_every && dice(cut_every) === 0) socket.io.engine?.transport?.ws?.terminate();
  });
process.stdin.on('end', () => client.disconnect()).resume();
