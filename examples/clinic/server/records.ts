// Owns: the tools of the back office: visits, notes, accounts, charges, receipts.
import { type ClinicTool, effectOf, found, nextId, one, Refusal, strings, text } from './tool.ts';

export const recordTools: readonly ClinicTool[] = [
  {
    name: 'read-visit',
    description: 'Reads what was found and prescribed at a visit.',
    effect: 'read',
    input: strings(['visitId']),
    act: (db, args) => {
      const visitId = text(args, 'visitId');
      const visit = found(one(db, 'SELECT * FROM visits WHERE visitId = ?', visitId), `visit ${visitId}`);
      return { ...visit, medications: JSON.parse(String(visit['medications'])) as unknown };
    },
  },
  {
    name: 'save-note',
    description: 'Puts the finished note of a visit into the record.',
    effect: 'idempotentWrite',
    input: strings(['visitId', 'note']),
    act: (db, args) => {
      const visitId = text(args, 'visitId');
      found(one(db, 'SELECT visitId FROM visits WHERE visitId = ?', visitId), `visit ${visitId}`);
      const noteId = nextId(db, 'notes', 'note');
      db.prepare('INSERT INTO notes VALUES (?, ?, ?)').run(noteId, visitId, text(args, 'note'));
      return { noteId, visitId };
    },
  },
  {
    name: 'read-account',
    description: 'Reads what is open on an account, in cents.',
    effect: 'read',
    input: strings(['accountId']),
    act: (db, args) => {
      const accountId = text(args, 'accountId');
      return found(one(db, 'SELECT * FROM accounts WHERE accountId = ?', accountId), `account ${accountId}`);
    },
  },
  {
    name: 'charge-account',
    description: 'Charges the card on file. Never more than is open.',
    effect: 'idempotentWrite',
    input: {
      type: 'object',
      properties: {
        accountId: { type: 'string', minLength: 1 },
        amountCents: { type: 'integer', minimum: 1, maximum: 10_000_000 },
        reason: { type: 'string', minLength: 1, maxLength: 256 },
      },
      required: ['accountId', 'amountCents', 'reason'],
      additionalProperties: false,
    },
    act: (db, args) => {
      const [accountId, amountCents] = [text(args, 'accountId'), Number(args['amountCents'])];
      const account = found(one(db, 'SELECT * FROM accounts WHERE accountId = ?', accountId), `account ${accountId}`);
      if (amountCents > Number(account['openCents'])) {
        throw new Refusal(`amountCents is ${amountCents}, but only ${String(account['openCents'])} are open`);
      }
      const chargeId = nextId(db, 'charges', 'chg');
      db.prepare('UPDATE accounts SET openCents = openCents - ? WHERE accountId = ?').run(amountCents, accountId);
      db.prepare('INSERT INTO charges VALUES (?, ?, ?, ?)').run(chargeId, accountId, amountCents, text(args, 'reason'));
      return { chargeId, accountId, amountCents };
    },
  },
  {
    name: 'send-receipt',
    description: 'Sends the receipt of a charge by mail. Each call sends one more mail.',
    effect: 'write',
    input: strings(['chargeId', 'email']),
    act: (db, args) => {
      const chargeId = text(args, 'chargeId');
      found(one(db, 'SELECT chargeId FROM charges WHERE chargeId = ?', chargeId), `charge ${chargeId}`);
      const receiptId = nextId(db, 'receipts', 'rec');
      db.prepare('INSERT INTO receipts VALUES (?, ?, ?)').run(receiptId, chargeId, text(args, 'email'));
      return { receiptId, chargeId };
    },
  },
  {
    name: 'find-receipt',
    description: 'Reads the receipt that was sent with this idempotency key, if there is one.',
    effect: 'read',
    input: strings(['idempotencyKey']),
    act: (db, args) => effectOf(db, 'send-receipt', text(args, 'idempotencyKey')),
  },
];
