// Owns: the tools of the front desk: patients, slots, appointments, calls.
import { type ClinicTool, effectOf, found, nextId, one, Refusal, strings, text } from './tool.ts';

export const deskTools: readonly ClinicTool[] = [
  {
    name: 'find-patient',
    description: 'Finds a patient by phone number, or by name and date of birth.',
    effect: 'read',
    input: strings(['phone', 'name', 'birthDate'], ['phone', 'name', 'birthDate']),
    act: (db, args) => {
      const rows = db
        .prepare('SELECT patientId, name FROM patients WHERE phone = ? OR (name = ? AND birthDate = ?)')
        .all(text(args, 'phone'), text(args, 'name'), text(args, 'birthDate'));
      return { patients: rows.map((row) => ({ ...row })) };
    },
  },
  {
    name: 'find-slots',
    description: 'Lists the free slots for a reason: check-up, vaccination or follow-up.',
    effect: 'read',
    input: strings(['reason']),
    act: (db, args) => {
      const rows = db
        .prepare('SELECT slotId, clinician, start FROM slots WHERE reason = ? AND taken = 0 ORDER BY start')
        .all(text(args, 'reason'));
      return { slots: rows.map((row) => ({ ...row })) };
    },
  },
  {
    name: 'book-appointment',
    description: 'Books a free slot for a known patient.',
    effect: 'idempotentWrite',
    input: strings(['patientId', 'slotId']),
    act: (db, args) => {
      const [patientId, slotId] = [text(args, 'patientId'), text(args, 'slotId')];
      found(one(db, 'SELECT patientId FROM patients WHERE patientId = ?', patientId), `patient ${patientId}`);
      const slot = found(one(db, 'SELECT * FROM slots WHERE slotId = ?', slotId), `slot ${slotId}`);
      if (slot['taken'] === 1) throw new Refusal(`slot ${slotId} is taken`);
      const appointmentId = nextId(db, 'appointments', 'apt');
      db.prepare('UPDATE slots SET taken = 1 WHERE slotId = ?').run(slotId);
      db.prepare('INSERT INTO appointments VALUES (?, ?, ?)').run(appointmentId, patientId, slotId);
      return { appointmentId, patientId, slotId, start: slot['start'] };
    },
  },
  {
    name: 'find-appointment',
    description: 'Reads the booking that was made with this idempotency key, if there is one.',
    effect: 'read',
    input: strings(['idempotencyKey']),
    act: (db, args) => effectOf(db, 'book-appointment', text(args, 'idempotencyKey')),
  },
  {
    name: 'cancel-appointment',
    description: 'Cancels an appointment and frees its slot.',
    effect: 'write',
    input: strings(['appointmentId']),
    act: (db, args) => {
      const appointmentId = text(args, 'appointmentId');
      const row = one(db, 'SELECT slotId FROM appointments WHERE appointmentId = ?', appointmentId);
      const { slotId } = found(row, `appointment ${appointmentId}`);
      db.prepare('DELETE FROM appointments WHERE appointmentId = ?').run(appointmentId);
      db.prepare('UPDATE slots SET taken = 0 WHERE slotId = ?').run(String(slotId));
      return { appointmentId, cancelled: true };
    },
  },
  {
    name: 'transfer-call',
    description: 'Puts the caller through to a desk of the practice.',
    effect: 'write',
    input: strings(['callId', 'desk', 'reason']),
    act: (db, args) => {
      const transferId = nextId(db, 'transfers', 'tra');
      const [callId, desk, reason] = [text(args, 'callId'), text(args, 'desk'), text(args, 'reason')];
      db.prepare('INSERT INTO transfers VALUES (?, ?, ?, ?)').run(transferId, callId, desk, reason);
      return { transferId, callId, desk };
    },
  },
  {
    name: 'find-transfer',
    description: 'Reads the transfer that was made with this idempotency key, if there is one.',
    effect: 'read',
    input: strings(['idempotencyKey']),
    act: (db, args) => effectOf(db, 'transfer-call', text(args, 'idempotencyKey')),
  },
  {
    name: 'ping',
    description: 'Answers with the text it was given.',
    effect: 'read',
    input: strings(['text']),
    act: (_db, args) => ({ text: text(args, 'text') }),
  },
];
