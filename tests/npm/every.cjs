// Calls every method of the official client once, unmodified, with arguments that its types allow.
// node every.cjs CONFIG.json: prints {method: {data, error: {message, code, statusCode}, status}} as JSON.
const { readFileSync } = require('fs');
const { PeriskopeApi } = require('@periskope/periskope-client');

const { token, phone, chat, group, message, contact } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const api = new PeriskopeApi({ authToken: token, phone, env: 'local' });
const page = { offset: 0, limit: 5 };
const participants = { chat_id: group, participants: [contact] };

const ARGUMENTS = {
  'chat.getChats': [page],
  'chat.getMessages': [page],
  'chat.getNotifications': [page],
  'chat.getChatById': [{ chat_id: chat }],
  'chat.getChatMessages': [{ chat_id: chat, ...page }],
  'chat.getChatNotifications': [{ chat_id: group, ...page }],
  'chat.updateLabels': [{ chat_ids: [chat], labels: 'a,b' }],
  'chat.updateChatOverrideAccess': [{ chat_ids: [chat], email: 'a@example.com' }],
  'chat.updateChatById': [{ chat_id: chat, labels: 'a' }],
  'chat.read': [{ chat_id: chat }],
  'chat.getNotesByChat': [{ chat_id: chat }, page],
  'group.create': [{ group_name: 'x', participants: [contact] }],
  'group.generateInviteLink': [{ chat_id: group }],
  'group.addParticipant': [participants],
  'group.removeParticipant': [participants],
  'group.promoteParticipant': [participants],
  'group.demoteParticipant': [participants],
  'group.updateSettings': [{ chat_id: group, name: 'x' }],
  'group.acceptGroupInvite': [{ invite_link: 'https://chat.whatsapp.com/x' }],
  'group.leaveGroup': [{ chat_id: group }],
  'contact.getAll': [page],
  'contact.getById': [{ contact_id: contact }],
  'contact.update': [{ contact_id: contact, contact_name: 'x' }],
  'contact.updateLabels': [{ contact_ids: [contact], labels: 'a' }],
  'contact.create': [{ contact_id: contact, contact_name: 'x' }],
  'message.getById': [{ message_id: message }],
  'message.send': [{ chat_id: chat, message: 'x' }],
  'message.broadcast': [{ chat_ids: [chat], message: 'x' }],
  'message.delete': [{ message_id: message }],
  'message.edit': [{ message_id: message, message: 'x' }],
  'message.forward': [{ message_id: message, chat_id: group }],
  'message.react': [{ message_id: message, reaction: '👍' }],
  'message.pin': [{ message_id: message, pin: true }],
  'phone.info': [],
  'phone.getAll': [],
  'phone.getQR': [],
  'phone.update': [{ phone_name: 'x' }],
  'phone.reset': [],
  'phone.restart': [],
  'phone.resync': [],
  'phone.create': [],
  'phone.delete': [],
  'queue.getJobs': [page],
  'queue.getBroadcastStatus': [{ broadcast_id: 'broadcast-x' }],
  'queue.getStatus': [],
  'queue.purge': [],
  'ticket.getById': [{ ticket_id: 'ticket-x' }],
  'ticket.getAll': [page],
  'ticket.update': [{ ticket_id: 'ticket-x', subject: 'x' }],
  'ticket.create': [{ chat_id: chat, subject: 'x' }],
  'note.createInternalNote': [{ chat_id: chat, message: 'x' }],
  'note.getNotes': [page],
  'note.getNoteById': [{ note_id: 'note-x' }],
  'reaction.getReactions': [{ chat_id: chat, ...page }],
  'knowledgeBase.getAll': [page],
  'knowledgeBase.getFaqById': [{ context_id: 'x' }],
  'knowledgeBase.getDocumentById': [{ document_id: 'x' }],
  'knowledgeBase.createFaq': [{ question: 'x', answer: 'y' }],
  'knowledgeBase.createDocument': [{ files: ['x'] }],
  'knowledgeBase.updateFaq': [{ context_id: 'x', question: 'x', answer: 'y' }],
  'knowledgeBase.deleteFaq': [{ context_id: 'x' }],
  'knowledgeBase.deleteDocument': [{ document_id: 'x' }],
  'webhook.create': [{ hookUrl: 'https://example.com/hook', integrationName: ['message.created', 'note.created'] }],
  'webhook.list': [{ integration_name: 'message.created', is_subscribed: true }],
  'webhook.getById': (results) => [{ id: results['webhook.create'].data[0].id }],
  'webhook.update': (results) => [{ id: results['webhook.create'].data[0].id, isSubscribed: false }],
  'webhook.delete': (results) => [{ id: results['webhook.create'].data[1].id }],
  'member.delete': [{ id: 'member-x' }],
  'member.invite': [{ email: 'a@example.com' }],
  'member.updateAccess': [{ email: 'a@example.com', role: 'member' }],
};

(async () => {
  const results = {};
  for (const [name, given] of Object.entries(ARGUMENTS)) {
    const [part, method] = name.split('.');
    try {
      const { data, error, status } = await api[part][method](...(typeof given === 'function' ? given(results) : given));
      const told = error && { message: error.message, code: error.code, statusCode: error.statusCode };
      results[name] = { data: data ?? null, error: told, status };
    } catch (thrown) {
      results[name] = { thrown: String(thrown) };
    }
  }
  process.stdout.write(JSON.stringify(results));
})();
