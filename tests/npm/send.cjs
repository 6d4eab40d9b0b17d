// Sends with the official client, unmodified. node send.cjs CONFIG.json: prints what each call came to, as calls.cjs.
const { readFileSync } = require('fs');
const { PeriskopeApi } = require('@periskope/periskope-client');

const { token, reader, phone, chat } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const client = new PeriskopeApi({ authToken: token, phone, env: 'local' });
const reading = new PeriskopeApi({ authToken: reader, phone, env: 'local' });

const calls = {
  send: () => client.message.send({ chat_id: `${chat}@c.us`, message: 'hello' }),
  refused: () => client.message.send({ chat_id: 'nobody', message: 'hello' }),
  reader: () => reading.message.send({ chat_id: `${chat}@c.us`, message: 'hello' }),
};

async function main() {
  const results = {};
  for (const [name, call] of Object.entries(calls)) {
    try {
      const { data, error } = await call();
      results[name] = {
        data,
        error: error && { message: error.message, code: error.code, statusCode: error.statusCode },
      };
    } catch (thrown) {
      results[name] = { thrown: String(thrown) };
    }
  }
  process.stdout.write(JSON.stringify(results));
}

main();
