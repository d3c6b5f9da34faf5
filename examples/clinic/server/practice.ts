// Owns: the tools that bring a practice on board and keep it going: practices, lines, receptionists, users, tickets.
import { type ClinicTool, effectOf, found, nextId, one, Refusal, strings, text } from './tool.ts';

export const practiceTools: readonly ClinicTool[] = [
  {
    name: 'lookup-practice',
    description: 'Reads a practice: its clinician, licence and languages.',
    effect: 'read',
    input: strings(['practiceId']),
    act: (db, args) => {
      const practiceId = text(args, 'practiceId');
      const row = found(one(db, 'SELECT * FROM practices WHERE practiceId = ?', practiceId), `practice ${practiceId}`);
      return { ...row, languages: JSON.parse(String(row['languages'])) as unknown };
    },
  },
  {
    name: 'record-lead',
    description: 'Writes down what a practice needs.',
    effect: 'idempotentWrite',
    input: strings(['practiceId', 'need']),
    act: (db, args) => {
      const leadId = nextId(db, 'leads', 'lead');
      db.prepare('INSERT INTO leads VALUES (?, ?, ?)').run(leadId, text(args, 'practiceId'), text(args, 'need'));
      return { leadId };
    },
  },
  {
    name: 'create-line',
    description: 'Creates the telephone line of a practice with its greeting.',
    effect: 'idempotentWrite',
    input: strings(['practiceId', 'greeting']),
    act: (db, args) => {
      const lineId = nextId(db, 'lines', 'line');
      db.prepare('INSERT INTO lines VALUES (?, ?, ?)').run(lineId, text(args, 'practiceId'), text(args, 'greeting'));
      return { lineId };
    },
  },
  {
    name: 'configure-receptionist',
    description: 'Sets up the receptionist of a line: languages, and the desk that takes emergencies.',
    effect: 'write',
    input: strings(['lineId', 'languages', 'emergencyDesk']),
    act: (db, args) => {
      const lineId = text(args, 'lineId');
      found(one(db, 'SELECT lineId FROM lines WHERE lineId = ?', lineId), `line ${lineId}`);
      const receptionistId = nextId(db, 'receptionists', 'rcp');
      const values = [receptionistId, lineId, text(args, 'languages'), text(args, 'emergencyDesk')];
      db.prepare('INSERT INTO receptionists VALUES (?, ?, ?, ?)').run(...values);
      return { receptionistId, lineId };
    },
  },
  {
    name: 'find-receptionist',
    description: 'Reads the receptionist that was set up with this idempotency key, if there is one.',
    effect: 'read',
    input: strings(['idempotencyKey']),
    act: (db, args) => effectOf(db, 'configure-receptionist', text(args, 'idempotencyKey')),
  },
  {
    name: 'activate-clinician',
    description: 'Takes the receptionist of a practice into service.',
    effect: 'idempotentWrite',
    input: strings(['practiceId', 'receptionistId']),
    act: (db, args) => {
      const [practiceId, receptionistId] = [text(args, 'practiceId'), text(args, 'receptionistId')];
      if (one(db, 'SELECT 1 AS yes FROM activations WHERE practiceId = ?', practiceId)) {
        throw new Refusal(`practice ${practiceId} is active already`);
      }
      const activationId = nextId(db, 'activations', 'act');
      db.prepare('INSERT INTO activations VALUES (?, ?, ?)').run(activationId, practiceId, receptionistId);
      return { activationId, practiceId };
    },
  },
  {
    name: 'schedule-check-in',
    description: 'Plans a call with the practice on a day.',
    effect: 'idempotentWrite',
    input: strings(['practiceId', 'day']),
    act: (db, args) => {
      const checkinId = nextId(db, 'checkins', 'chk');
      db.prepare('INSERT INTO checkins VALUES (?, ?, ?)').run(checkinId, text(args, 'practiceId'), text(args, 'day'));
      return { checkinId };
    },
  },
  {
    name: 'find-user',
    description: 'Reads a user of the product by mail address.',
    effect: 'read',
    input: strings(['email']),
    act: (db, args) => {
      const row = found(one(db, 'SELECT * FROM users WHERE email = ?', text(args, 'email')), text(args, 'email'));
      return { ...row, locked: row['locked'] === 1 };
    },
  },
  {
    name: 'unlock-user',
    description: 'Unlocks a user who is locked out.',
    effect: 'idempotentWrite',
    input: strings(['email']),
    act: (db, args) => {
      const email = text(args, 'email');
      const user = found(one(db, 'SELECT locked FROM users WHERE email = ?', email), `user ${email}`);
      if (user['locked'] !== 1) throw new Refusal(`user ${email} is not locked`);
      db.prepare('UPDATE users SET locked = 0 WHERE email = ?').run(email);
      return { email, locked: false };
    },
  },
  {
    name: 'open-ticket',
    description: 'Opens a ticket for a person of the support team.',
    effect: 'idempotentWrite',
    input: strings(['email', 'summary']),
    act: (db, args) => {
      const ticketId = nextId(db, 'tickets', 'tick');
      db.prepare('INSERT INTO tickets VALUES (?, ?, ?)').run(ticketId, text(args, 'email'), text(args, 'summary'));
      return { ticketId };
    },
  },
];
