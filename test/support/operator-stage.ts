// Owns: the operator under test: a real API server and nats-server, the operator as a process with its own rights, and what the
// test sees of its bus.
import { afterAll, beforeAll } from 'vitest';
import { connectNats, natsBusAdmin, type NatsBus } from '../../adapters/nats/nats.ts';
import { buckets } from '../../api/messages/subjects.ts';
import { type VersionReport, versionReportKey } from '../../api/messages/versions.ts';
import type { Bucket, BusAdmin } from '../../ports/bus.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { admit, apply, get, type Told } from './kubectl.ts';
import { startOperator, type TestOperator } from './operator.ts';
import { startPlane, type TestPlane, type TestPlaneOptions } from './plane.ts';

/** What deploy/ says. */
const partitions = 4;

export interface OperatorStage {
  readonly plane: TestPlane;
  readonly operator: TestOperator;
  /** With the rights of the operator. */
  readonly control: NatsBus;
  readonly work: NatsBus;
  readonly admin: BusAdmin;
  readonly catalog: Bucket<unknown>;
  /** `what`: such as `workflow calls`. */
  readonly get: <T extends KubeObject = Told>(namespace: string, what: string) => Promise<T | undefined>;
  readonly apply: (...objects: readonly object[]) => Promise<string>;
  readonly applyAs: (person: string, ...objects: readonly object[]) => Promise<string>;
  /** As an engine tells it of a partition without open runs. `seen`: the catalog's revision that it has seen. */
  readonly tellNoRuns: (partition: number, seen?: number) => Promise<void>;
}

export interface OperatorStageOptions extends Pick<TestPlaneOptions, 'controllerManager'> {
  /** A real engine tells of its runs; without, every partition has told that it has none. */
  readonly engine?: boolean;
}

type Parts = Pick<OperatorStage, 'plane' | 'operator' | 'control' | 'work' | 'admin' | 'catalog'>;

/** Starts all of it before the tests of a file and stops it after them; `ann` and `bob` may do everything. */
export function operatorStage({ engine = false, ...options }: OperatorStageOptions = {}): OperatorStage {
  let there: Parts | undefined;
  const ends: (() => Promise<unknown>)[] = [];
  const started = (): Parts => {
    if (there === undefined) throw new Error('the operator is there in tests only');
    return there;
  };
  const tellNoRuns: OperatorStage['tellNoRuns'] = async (partition, seen = Number.MAX_SAFE_INTEGER) => {
    const report: VersionReport = { partition, seq: 0, catalog: seen, workflows: {}, bundles: {} };
    const bucket = await started().control.bucket<VersionReport>(buckets.versions);
    await bucket.put(versionReportKey(partition), report);
  };
  beforeAll(async () => {
    const plane = await startPlane({ ...options, crds: true });
    ends.push(() => plane.stop());
    const operator = await startOperator(plane);
    ends.push(() => operator.stop());
    const { natsUrl: url, users } = plane.nats;
    const control = await connectNats({ url, ...users.operator, name: 'test' });
    ends.push(() => control.close());
    const work = await connectNats({ url, ...users['operator-work'], name: 'test' });
    ends.push(() => work.close());
    const admin = natsBusAdmin({ control, work });
    there = { plane, operator, control, work, admin, catalog: await control.bucket(buckets.catalog) };
    if (!engine) for (let partition = 0; partition < partitions; partition += 1) await tellNoRuns(partition);
    await admit(plane, 'ann', 'bob');
  });
  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  });
  return {
    get plane() {
      return started().plane;
    },
    get operator() {
      return started().operator;
    },
    get control() {
      return started().control;
    },
    get work() {
      return started().work;
    },
    get admin() {
      return started().admin;
    },
    get catalog() {
      return started().catalog;
    },
    get: (namespace, what) => get(started().plane, namespace, what),
    apply: (...objects) => apply(started().plane, objects),
    applyAs: (person, ...objects) => apply(started().plane, objects, person),
    tellNoRuns,
  };
}
