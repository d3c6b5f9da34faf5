// Owns: the clinic's tables and what is in them on the first day. People and practices are invented.
import { DatabaseSync } from 'node:sqlite';

const schema = `
CREATE TABLE patients (patientId TEXT PRIMARY KEY, name TEXT, birthDate TEXT, phone TEXT);
CREATE TABLE slots (slotId TEXT PRIMARY KEY, clinician TEXT, reason TEXT, start TEXT, taken INTEGER DEFAULT 0);
CREATE TABLE appointments (appointmentId TEXT PRIMARY KEY, patientId TEXT, slotId TEXT UNIQUE);
CREATE TABLE transfers (transferId TEXT PRIMARY KEY, callId TEXT, desk TEXT, reason TEXT);
CREATE TABLE visits (visitId TEXT PRIMARY KEY, patientId TEXT, reason TEXT, findings TEXT, medications TEXT);
CREATE TABLE notes (noteId TEXT PRIMARY KEY, visitId TEXT, note TEXT);
CREATE TABLE accounts (accountId TEXT PRIMARY KEY, patientId TEXT, openCents INTEGER, card TEXT);
CREATE TABLE charges (chargeId TEXT PRIMARY KEY, accountId TEXT, amountCents INTEGER, reason TEXT);
CREATE TABLE receipts (receiptId TEXT PRIMARY KEY, chargeId TEXT, email TEXT);
CREATE TABLE practices (practiceId TEXT PRIMARY KEY, name TEXT, clinician TEXT, licence TEXT, languages TEXT);
CREATE TABLE leads (leadId TEXT PRIMARY KEY, practiceId TEXT, need TEXT);
CREATE TABLE lines (lineId TEXT PRIMARY KEY, practiceId TEXT, greeting TEXT);
CREATE TABLE receptionists (receptionistId TEXT PRIMARY KEY, lineId TEXT, languages TEXT, emergencyDesk TEXT);
CREATE TABLE activations (activationId TEXT PRIMARY KEY, practiceId TEXT UNIQUE, receptionistId TEXT);
CREATE TABLE checkins (checkinId TEXT PRIMARY KEY, practiceId TEXT, day TEXT);
CREATE TABLE users (email TEXT PRIMARY KEY, practiceId TEXT, locked INTEGER);
CREATE TABLE tickets (ticketId TEXT PRIMARY KEY, email TEXT, summary TEXT);
CREATE TABLE effects (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, run TEXT NOT NULL, tool TEXT NOT NULL, via TEXT NOT NULL,
  key TEXT, args TEXT NOT NULL, result TEXT NOT NULL
);
CREATE INDEX effects_by_key ON effects (tool, key);
`;

const seed: Readonly<Record<string, readonly (readonly (string | number)[])[]>> = {
  patients: [
    ['pat-1', 'Mara Lindqvist', '1984-02-11', '+49 30 5550101'],
    ['pat-2', 'Tobias Okafor', '1971-07-30', '+49 30 5550102'],
    ['pat-3', 'Ines Caruso', '1996-12-05', '+49 30 5550103'],
    ['pat-4', 'Jonas Petrov', '2001-05-19', '+49 30 5550104'],
  ],
  slots: [
    ['slot-1', 'Dr. Anan', 'check-up', '2026-12-01T09:00:00Z', 0],
    ['slot-2', 'Dr. Anan', 'check-up', '2026-12-01T09:30:00Z', 0],
    ['slot-3', 'Dr. Weiss', 'vaccination', '2026-12-02T14:00:00Z', 0],
    ['slot-4', 'Dr. Weiss', 'vaccination', '2026-12-02T14:20:00Z', 0],
    ['slot-5', 'Dr. Anan', 'follow-up', '2026-12-03T11:00:00Z', 0],
  ],
  visits: [
    ['visit-7', 'pat-2', 'cough for ten days', 'temperature 37.2, lungs clear', '["ambroxol","ibuprofen"]'],
    ['visit-8', 'pat-3', 'blood pressure check', '128/82, no complaints', '["ramipril"]'],
  ],
  accounts: [
    ['acc-2', 'pat-2', 48_000, 'card ending 4417'],
    ['acc-3', 'pat-3', 3_500, 'card ending 0920'],
  ],
  practices: [
    ['prac-1', 'Harbour Family Practice', 'Dr. Lena Amsel', 'BER-20417', '["English","German"]'],
    ['prac-2', 'Birch Street Clinic', 'Dr. Omar Said', 'BER-20533', '["English","Turkish"]'],
    ['prac-3', 'Meadow Paediatrics', 'Dr. Ruth Klein', 'BER-20611', '["English","Polish"]'],
  ],
  users: [
    ['omar@birch.example', 'prac-2', 1],
    ['lena@harbour.example', 'prac-1', 0],
  ],
};

/** Opens the file, and fills it when it is new. */
export function openClinic(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  const known = db.prepare("SELECT name FROM sqlite_master WHERE name = 'effects'").get();
  if (known !== undefined) return db;
  db.exec('BEGIN');
  db.exec(schema);
  for (const [table, rows] of Object.entries(seed)) {
    for (const row of rows) db.prepare(`INSERT INTO ${table} VALUES (${row.map(() => '?').join(', ')})`).run(...row);
  }
  db.exec('COMMIT');
  return db;
}
