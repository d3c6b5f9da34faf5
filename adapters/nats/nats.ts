// Owns: what programs take from this adapter.
export { type AdminOptions, eventsConsumer, natsBusAdmin } from './admin.ts';
export { connectNats, type NatsBus } from './bus.ts';
export type { ConnectOptions } from './connection.ts';
export { replicasOf } from './durability.ts';
export { natsDeadLetters } from './dead-letters.ts';
export { natsEvidence } from './evidence.ts';
export { type JournalOptions, natsJournal } from './journal.ts';
export { natsLedger, natsLedgerSweep } from './ledger.ts';
export { natsOwnership } from './ownership.ts';
export { natsPresence } from './presence.ts';
