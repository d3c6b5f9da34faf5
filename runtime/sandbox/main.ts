// Entry point of the sandbox that plays scenarios: asked over the channel of the process that started it, and gone with it.
import { models } from '../../adapters/model/models.ts';
import {
  connectNats,
  natsBusAdmin,
  natsDeadLetters,
  natsJournal,
  natsLedger,
  natsLedgerSweep,
  natsOwnership,
} from '../../adapters/nats/nats.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemIds } from '../../adapters/system/ids.ts';
import { jsonLog } from '../../adapters/system/log.ts';
import { promMetrics } from '../../adapters/system/metrics.ts';
import { statePacking } from '../../adapters/system/packing.ts';
import { tools } from '../../adapters/tools/tools.ts';
import type { SandboxReply, SandboxRequest } from '../../core/evaluation/sandbox.ts';
import { natsIdentity } from '../nats.ts';
import { loadReceiptKey } from '../receipts.ts';
import { partitions, startSandbox } from './sandbox.ts';

const { env } = process;
const log = jsonLog({ name: 'sandbox' });
const say = (reply: SandboxReply): void => void process.send?.(reply, undefined, undefined, () => undefined);
process.on('disconnect', () => process.exit(0));

const streamBytes = 256 * 1_048_576;

try {
  const control = await connectNats(natsIdentity(env, 'CONTROL', 'sandbox'));
  const work = await connectNats(natsIdentity(env, 'WORK', 'sandbox'));
  const admin = natsBusAdmin({
    control,
    work,
    journalBytesMax: streamBytes,
    checkpointBytesMax: streamBytes,
    archiveBytesMax: streamBytes,
    ledgerBytesMax: streamBytes,
  });
  await admin.ensureStreams(partitions);
  await admin.ensureTaskStreams();
  const clock = systemClock();
  const sandbox = await startSandbox({
    control,
    work,
    admin,
    journal: natsJournal(control),
    ownership: await natsOwnership(control),
    ledger: natsLedgerSweep(control),
    ledgerOfCalls: natsLedger(control),
    packing: statePacking,
    deadLetters: natsDeadLetters(control, () => clock.now()),
    tools: tools(),
    scripted: models(clock),
    clock,
    ids: systemIds(),
    log,
    metrics: promMetrics({ processMetrics: false }),
    receiptKey: await loadReceiptKey(control),
  });
  process.on('message', (request: SandboxRequest) => {
    if (request.kind === 'Load') {
      sandbox.load(request.manifests).then(
        () => say({ kind: 'Ready' }),
        (error: unknown) => say({ kind: 'Failed', message: error instanceof Error ? error.message : String(error) }),
      );
      return;
    }
    const { id, scenario, trial } = request;
    void sandbox.play(id, scenario, trial).then((record) => say({ kind: 'Played', id, record }));
  });
  say({ kind: 'Ready' });
} catch (error) {
  log.error('the sandbox could not start', { error });
  say({ kind: 'Failed', message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
  process.disconnect?.();
}
