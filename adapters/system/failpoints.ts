// Owns: what an armed failpoint does to this process. SIGNALBOX_FAILPOINT is `moment[@n][:mode]`: at the n-th time (default the
// first) that the moment is passed, the process
//   (no mode)      is killed with SIGKILL;
//   pause=<ms>     stands still for so long, as if stopped;
//   hold=<path>    makes the file and stands still until somebody removes it, so that a neighbour can be killed meanwhile.
// It says so on standard error before and, when it goes on, after.
import { existsSync, writeFileSync, writeSync } from 'node:fs';
import { SignalboxError } from '../../api/errors.ts';
import { armFailpoints, moments } from '../../ports/failpoint.ts';

const HOLD_LOOK_MS = 10;
/** Nobody holds a process longer than this: whoever wanted to has died. */
const HOLD_MAX_MS = 120_000;

export interface Arming {
  readonly moment: string;
  readonly at: number;
  readonly act: () => void;
}

/** Arms what the variable says; without it nothing is armed. */
export function armFromEnvironment(environment: Readonly<Record<string, string | undefined>>): void {
  const text = environment['SIGNALBOX_FAILPOINT'];
  if (text === undefined || text === '') return;
  const { moment, at, act } = parseArming(text);
  let passed = 0;
  armFailpoints((name, subject) => {
    if (moment !== name && moment !== `${name}/${subject ?? ''}`) return;
    passed += 1;
    if (passed !== at) return;
    writeSync(2, `failpoint ${text}: reached\n`);
    act();
    writeSync(2, `failpoint ${text}: over\n`);
  });
}

export function parseArming(text: string): Arming {
  const found = /^([a-zA-Z./-]+)(?:@([0-9]+))?(?::(.+))?$/.exec(text);
  const [, moment = '', count = '1', mode] = found ?? [];
  if (found === null || Number(count) < 1) throw invalid(text, 'allowed is moment[@n][:pause=<ms> or :hold=<path>]');
  if (!moments().includes(moment)) throw invalid(text, `allowed moments are listed in ports/failpoint.ts`);
  return { moment, at: Number(count), act: actionOf(text, mode) };
}

function actionOf(text: string, mode: string | undefined): () => void {
  if (mode === undefined) return () => process.kill(process.pid, 'SIGKILL');
  const [, kind, value = ''] = /^(pause|hold)=(.+)$/.exec(mode) ?? [];
  if (kind === 'hold') return () => holdUntilRemoved(value);
  const ms = Number(value);
  if (kind === 'pause' && Number.isInteger(ms) && ms > 0) return () => standStill(ms);
  throw invalid(text, 'allowed modes are pause=<ms> and hold=<path>');
}

function holdUntilRemoved(path: string): void {
  writeFileSync(path, String(process.pid));
  for (let waited = 0; waited < HOLD_MAX_MS && existsSync(path); waited += HOLD_LOOK_MS) standStill(HOLD_LOOK_MS);
}

/** Nothing of this process runs meanwhile: no timer, no socket, no callback. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function invalid(text: string, allowed: string): SignalboxError {
  return new SignalboxError('CONFIG_INVALID', `SIGNALBOX_FAILPOINT is "${text}"; ${allowed}`);
}
