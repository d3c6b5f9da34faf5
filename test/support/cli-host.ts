// Owns: a host for tests: what was printed, what was said, files nowhere, no colours, 80 columns.
import type { Host } from '../../cli/host.ts';
import { plain } from '../../cli/output/style.ts';

export interface TestHost {
  readonly host: Host;
  /** Standard output so far. */
  readonly out: () => string;
  /** Standard error so far. */
  readonly error: () => string;
}

const unexpected = (what: string) => (): never => {
  throw new Error(`the test did not expect ${what}`);
};

export function testHost(over: Partial<Host> & { readonly columns?: number } = {}): TestHost {
  let out = '';
  let error = '';
  const { columns = 80, ...rest } = over;
  const host: Host = {
    screen: {
      columns,
      terminal: false,
      paint: plain,
      paintError: plain,
      print: (text) => void (out += `${text}\n`),
      note: (text) => void (error += `${text}\n`),
      raw: (text) => void (out += text),
    },
    environment: {},
    clock: {
      now: () => Date.now(),
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          const timer = setTimeout(resolve, ms);
          signal?.addEventListener('abort', () => {
            clearTimeout(timer);
            reject(signal.reason as Error);
          });
        }),
    },
    interrupted: new AbortController().signal,
    version: '0.0.0-test',
    readStdin: unexpected('standard input'),
    local: unexpected('the local plane'),
    kubeconfigAccess: unexpected('a kubeconfig'),
    connect: unexpected('a connection'),
    ...rest,
  };
  return { host, out: () => out, error: () => error };
}
