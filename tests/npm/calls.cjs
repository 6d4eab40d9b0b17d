// Calls every method that reads, and every one that would need WhatsApp, of the official client, unmodified.
// node calls.cjs CONFIG.json: prints {name: {data, error: {message, code, statusCode}, status}} as JSON.
const { readFileSync } = require('fs');
const { PeriskopeApi } = require('@periskope/periskope-client');

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { token, phone, chat, group, message, contact } = config;
const scoped = new PeriskopeApi({ authToken: token, phone, env: 'local' });
const wide = new PeriskopeApi({ authToken: token, env: 'local' });
const wrong = new PeriskopeApi({ authToken: 'not-a-token', phone, env: 'local' });
const elsewhere = new PeriskopeApi({ authToken: token, phone: '15550000000', env: 'local' });

const calls = {
  'chat.getMessages all phones': () => wide.chat.getMessages({}),
  'chat.getMessages one phone': () => scoped.chat.getMessages({ offset: 0, limit: 3 }),
  'chat.getMessages no argument': () => scoped.chat.getMessages(),
  'chat.getMessages window': () =>
    scoped.chat.getMessages({ start_time: config.start, end_time: config.end, limit: 2000 }),
  'chat.getMessages too many': () => scoped.chat.getMessages({ limit: 10000 }),
  'chat.getMessages bad time': () => scoped.chat.getMessages({ start_time: 'yesterday' }),
  'chat.getMessages wrong token': () => wrong.chat.getMessages({}),
  'chat.getMessages foreign phone': () => elsewhere.chat.getMessages({}),
  'chat.getChats': () => scoped.chat.getChats({ offset: 0, limit: 5 }),
  'chat.getChats groups': () => scoped.chat.getChats({ chat_type: 'group' }),
  'chat.getChatById': () => scoped.chat.getChatById({ chat_id: chat }),
  'chat.getChatById unknown': () => scoped.chat.getChatById({ chat_id: '15550000001@c.us' }),
  'chat.getChatMessages': () => scoped.chat.getChatMessages({ chat_id: chat, offset: 0, limit: 10 }),
  'chat.getChatMessages group': () => scoped.chat.getChatMessages({ chat_id: group, limit: 10 }),
  'chat.getNotifications': () => scoped.chat.getNotifications({ offset: 0, limit: 5 }),
  'chat.getChatNotifications': () => scoped.chat.getChatNotifications({ chat_id: group, limit: 10 }),
  'chat.getNotesByChat': () => scoped.chat.getNotesByChat({ chat_id: chat }, { limit: 3 }),
  'message.getById': () => scoped.message.getById({ message_id: message }),
  'message.getById unknown': () => scoped.message.getById({ message_id: 'true_15550000001@c.us_ABC' }),
  'contact.getAll': () => scoped.contact.getAll({ offset: 0, limit: 10 }),
  'contact.getById': () => scoped.contact.getById({ contact_id: contact }),
  'contact.getById unknown': () => scoped.contact.getById({ contact_id: '15550000001' }),
  'phone.info': () => scoped.phone.info(),
  'phone.info without phone': () => wide.phone.info(),
  'phone.getAll': () => scoped.phone.getAll(),
  'phone.getQR': () => scoped.phone.getQR(),
  'reaction.getReactions': () => scoped.reaction.getReactions({ chat_id: chat, limit: 3 }),
  'note.getNotes': () => scoped.note.getNotes({ limit: 3 }),
  'note.getNoteById': () => scoped.note.getNoteById({ note_id: 'note-x' }),
  'ticket.getAll': () => scoped.ticket.getAll({ offset: 0, limit: 10 }),
  'ticket.getById': () => scoped.ticket.getById({ ticket_id: 'ticket-x' }),
  'queue.getStatus': () => scoped.queue.getStatus(),
  'queue.getJobs': () => scoped.queue.getJobs({ offset: 0, limit: 10 }),
  'message.send': () => scoped.message.send({ chat_id: chat, message: 'hi' }),
  'message.react': () => scoped.message.react({ message_id: message, reaction: '👍' }),
  'message.delete': () => scoped.message.delete({ message_id: message }),
  'chat.read': () => scoped.chat.read({ chat_id: chat }),
  'phone.restart': () => scoped.phone.restart(),
  'group.create': () => scoped.group.create({ group_name: 'x', participants: [contact] }),
};

(async () => {
  const results = {};
  for (const [name, call] of Object.entries(calls)) {
    try {
      const { data, error, status } = await call();
      const told = error && { message: error.message, code: error.code, statusCode: error.statusCode };
      results[name] = { data: data ?? null, error: told, status };
    } catch (thrown) {
      results[name] = { thrown: String(thrown) };
    }
  }
  process.stdout.write(JSON.stringify(results));
})();
