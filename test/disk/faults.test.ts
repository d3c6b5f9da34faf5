// Disks that fail in other ways than by losing power, on a real nats-server under load: always a loud stop or a slower system,
// never an acknowledgement without a fact behind it. A flipped byte and a store that is an older copy are in
// `test/integration/journal-damage.test.ts`. What this machine cannot do is skipped, and says so.
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { namespace } from '../support/engine-stage.ts';
import { until } from '../support/until.ts';
import { type FaultStage, inject, missingForInjection, startFaultStage } from './fault-stage.ts';
import { missingForLoopDisks } from './loop-disk.ts';

const run = promisify(execFile);
const limitMs = 300_000;
let faults: FaultStage | undefined;
afterEach(async () => {
  await faults?.stop();
  faults = undefined;
});

const loops = missingForLoopDisks();
const injection = missingForInjection();
if (loops !== undefined) process.stderr.write(`full disks are skipped: ${loops}\n`);
if (injection !== undefined) process.stderr.write(`slow and failing disks are skipped: ${injection}\n`);

/** All the rest of the disk is taken. */
async function fill(path: string): Promise<string> {
  const file = join(path, 'ballast');
  await run('sh', ['-c', 'cat /dev/zero > "$0" 2>/dev/null; test -s "$0"', file]);
  return file;
}

/** Resolves when the system has said no with this code often enough. */
async function refused({ load }: FaultStage, code: string): Promise<void> {
  const before = load.refusals.get(code) ?? 0;
  await until(code, () => Promise.resolve((load.refusals.get(code) ?? 0) > before + 5 || undefined), 60_000);
}

/** The load comes to its end: each run did, and each acknowledged fact is there. */
async function expectWhole(stage: FaultStage): Promise<void> {
  const { load } = stage;
  await load.finish();
  expect(load.failures).toEqual([]);
  expect(load.ended).toBeGreaterThan(10);
  expect(await stage.missing(true)).toEqual([]);
}

/** What `docs/how-to/disk-trouble.md` tells a person to look at is there. */
async function expectPages(url: string, why: string): Promise<void> {
  const page = async (path: string): Promise<string> => (await fetch(`${url}/${path}`)).text();
  expect(await page('healthz?details=true')).toContain(why);
  expect(await page('varz')).toMatch(/"sync_always": *true/);
  expect(await page('jsz')).toMatch(/"reserved_storage": *[0-9]+/);
}

describe.skipIf(loops !== undefined)('a full disk', () => {
  test(
    'is said, nothing acknowledged is lost, and work goes on when there is room again',
    async () => {
      faults = await startFaultStage({ sizeMiB: 128, inFlight: 8 });
      const { disk, nats, stage, load } = faults;
      const engine = faults.engine('engine-a');
      await load.start();
      await faults.acknowledged(100);
      const asked = await stage.begin('case', { name: 'to-be-cancelled' });
      const ballast = await fill(disk?.path ?? '');
      await refused(faults, 'JOURNAL_FULL');
      expect(engine.log()).toContain('no space left on device');
      await expectPages(nats.monitorUrl, 'no space left on device');
      // Where nothing can be written, not even a cancel can: it is refused, not lost.
      const cancel = { namespace, run: asked, by: 'ann', reason: 'make room' };
      const early = await stage.ask(asked, 'cancel', cancel);
      if (!early.ok) expect(early.code).toBe('JOURNAL_FULL');
      await rm(ballast);
      await nats.crash();
      await faults.acknowledged(100);
      expect(await stage.ask(asked, 'cancel', cancel)).toMatchObject({ ok: true });
      await expectWhole(faults);
    },
    limitMs,
  );

  test(
    'also when only the ledger meets it: starts are refused and the engine says so',
    async () => {
      faults = await startFaultStage({ sizeMiB: 128, inFlight: 1 });
      const { disk, nats, stage, load } = faults;
      const engine = faults.engine('engine-a');
      await load.start();
      await faults.acknowledged(20);
      load.pause();
      const ballast = await fill(disk?.path ?? '');
      await until('the ledger to meet the full disk', async () => {
        const wrote = stage.control.publish('ledger.clinic.none.none', { filler: 'x'.repeat(20_000) });
        return wrote.then(
          () => undefined,
          () => true,
        );
      });
      await until('the engine to say so', () =>
        Promise.resolve(engine.log().includes('nats-server cannot write to its disk') || undefined),
      );
      await expect(stage.begin('case', { name: 'too-late' })).rejects.toThrow('JOURNAL_FULL');
      await rm(ballast);
      await nats.crash();
      load.resume();
      await faults.acknowledged(100);
      await expectWhole(faults);
    },
    limitMs,
  );
});

describe.skipIf(injection !== undefined)('a slow disk', () => {
  test(
    'slows everything down; nobody takes over, nothing is lost',
    async () => {
      faults = await startFaultStage({ inFlight: 32 });
      const { nats, load } = faults;
      const engines = [faults.engine('engine-a'), faults.engine('engine-b')];
      await load.start();
      await faults.acknowledged(100);
      const loads = (): readonly number[] =>
        engines.map((engine) => engine.log().split('serving a partition').length - 1);
      // The engines share the partitions first.
      await expect.poll(() => Math.min(...loads()), { timeout: 20_000 }).toBeGreaterThan(0);
      const before = loads();
      const slow = await inject(nats, 'fsync,fdatasync:delay_exit=100000');
      await faults.acknowledged(100, 120_000);
      await slow.end();
      await expectWhole(faults);
      expect(loads()).toEqual(before);
    },
    limitMs,
  );
});

describe.skipIf(injection !== undefined)('a disk with errors', () => {
  test.each(['fsync,fdatasync:error=EIO', 'pwrite64:error=EIO'])(
    '%s: a loud stop, no acknowledgement; after a restart on a good disk work goes on',
    async (what) => {
      faults = await startFaultStage({ inFlight: 16 });
      const { nats, load, recorder } = faults;
      const engine = faults.engine('engine-a');
      await load.start();
      await faults.acknowledged(100);
      const failing = await inject(nats, what);
      await refused(faults, 'JOURNAL_UNWRITABLE');
      expect(engine.log()).toContain('input/output error');
      await expectPages(nats.monitorUrl, 'input/output error');
      const before = recorder.total;
      await pause(3_000);
      expect(recorder.total).toBe(before);
      await failing.end();
      await nats.crash();
      await faults.acknowledged(100);
      await expectWhole(faults);
    },
    limitMs,
  );
});
