// Owns: the command line's world: the process, the adapters and the local control plane, each loaded on first use so that
// `signalbox --help` answers at once.
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { systemClock } from '../adapters/system/clock.ts';
import { SignalboxError } from '../api/errors.ts';
import type { Host } from './host.ts';
import { openScreen } from './output/screen.ts';
import { run } from './program.ts';

const STDIN_BYTES_MAX = 1024 * 1024;
/** After Ctrl-C: how long what runs may take to end, until the second one or this time ends it. */
const GRACE_MS = 60_000;

const interruption = new AbortController();
const interrupt = (signal: NodeJS.Signals): void => {
  if (interruption.signal.aborted) process.exit(130);
  interruption.abort(new Error(signal));
  setTimeout(() => process.exit(130), GRACE_MS).unref();
};
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const host: Host = {
  screen: openScreen(process.stdout, process.stderr, process.env),
  environment: process.env,
  clock: systemClock(),
  interrupted: interruption.signal,
  version: projectVersion(),
  readStdin: async () => {
    const input = await text(process.stdin);
    if (input.length > STDIN_BYTES_MAX) throw new SignalboxError('INVALID_INPUT', 'standard input is over 1 MiB');
    return input;
  },
  local: () => import('../local/api.ts'),
  kubeconfigAccess: async (path, context) => {
    const { kubeconfigConfig } = await import('../adapters/kube/kubeconfig.ts');
    return kubeconfigConfig(path, context);
  },
  connect: async (access, timeoutMs) => {
    const { connectKube } = await import('../adapters/kube/kube.ts');
    return connectKube({ access, component: 'cli', timeoutMs });
  },
};

/** package.json is beside the folder this file is in, as a source and in the build. */
function projectVersion(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

const exitCode = await run(host, process.argv.slice(2));
process.exitCode = interruption.signal.aborted && exitCode !== 0 ? 130 : exitCode;
// A look-up for completion that is too late must not keep the shell waiting.
if (process.argv[2] === '__complete') process.exit();
