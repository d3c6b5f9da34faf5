// Owns: numbers in place of what many runs share: namespace, workflow, and the versions they keep to their end; and how many
// runs of each number are open.
//   G1: the counts are exact at every moment: they follow from the runs in the table, not from what was counted before.
import type { VersionCounts } from '../../api/messages/versions.ts';
import { roleOf } from '../rollout/fared.ts';
import type { RunState } from '../workflow/state.ts';
import type { RunRoles } from './rollouts.ts';

const groupsMax = 65_535;
/** Number of a run whose group is not known yet. */
export const groupUnknown = 0;

interface Group {
  readonly namespace: string;
  readonly workflow: string;
  /** Undefined in what an older release has written. */
  readonly workflowDigest?: string;
  /** Agent and bundle digest. */
  readonly pins: readonly (readonly [string, string])[];
  /** Rollouts, and what the run counts for in them. */
  readonly roles: RunRoles;
  open: number;
}

const noRoles: RunRoles = [];
const rolesIn = (assignments: NonNullable<RunState['assignments']>): RunRoles =>
  Object.values(assignments)
    .map((assignment) => [assignment.rollout, roleOf(assignment)] as const)
    .toSorted(([left], [right]) => (left < right ? -1 : 1));

type Counted = Record<string, Record<string, number>>;

export class Groups {
  readonly #groups: Group[] = [groupOf('\n')];
  readonly #names: string[] = [''];
  readonly #numbers = new Map<string, number>();
  /** Names by the numbers of the checkpoint that is being read. */
  #restoring: readonly string[] = [];

  numberOf({ namespace, workflow, workflowDigest, pins, assignments }: RunState): number {
    const sorted = Object.entries(pins).toSorted(([left], [right]) => (left < right ? -1 : 1));
    const name = [namespace, workflow, workflowDigest, JSON.stringify(sorted)];
    if (assignments !== undefined) name.push(JSON.stringify(rolesIn(assignments)));
    return this.#add(name.join('\n'));
  }

  rolesOf(number: number): RunRoles {
    return this.#groups[number]?.roles ?? noRoles;
  }

  namespaceOf(number: number): string {
    return this.#groups[number]?.namespace ?? '';
  }

  /** False where an older release has not said which versions the run keeps to. */
  isWhole(number: number): boolean {
    return this.#groups[number]?.workflowDigest !== undefined;
  }

  /** Numbers of all that fit. */
  fitting(namespace: string | undefined, workflow: string | undefined): ReadonlySet<number> {
    return new Set(
      this.#groups.flatMap((group, number) => {
        const fits =
          (namespace === undefined || namespace === group.namespace) &&
          (workflow === undefined || workflow === group.workflow);
        return fits ? [number] : [];
      }),
    );
  }

  /** One run more, or less, is open. */
  count(number: number, by: 1 | -1): void {
    const group = this.#groups[number];
    if (group !== undefined) group.open += by;
  }

  /** Open runs of a namespace. */
  openOf(namespace: string): number {
    return this.#groups.reduce((sum, group) => (group.namespace === namespace ? sum + group.open : sum), 0);
  }

  /** Open runs by the version of their workflow, and by the bundle of each of their agents. */
  versions(): VersionCounts {
    const [workflows, bundles]: [Counted, Counted] = [{}, {}];
    const add = (counted: Counted, name: string, digest: string, open: number): void => {
      const digests = (counted[name] ??= {});
      digests[digest] = (digests[digest] ?? 0) + open;
    };
    for (const { namespace, workflow, workflowDigest = '', pins, open } of this.#groups) {
      if (open === 0) continue;
      add(workflows, `${namespace}/${workflow}`, workflowDigest, open);
      for (const [agent, digest] of pins) add(bundles, `${namespace}/${agent}`, digest, open);
    }
    return { workflows, bundles };
  }

  names(): readonly string[] {
    return [...this.#names];
  }

  /** Those that no run of the checkpoint has are forgotten. */
  restore(names: readonly string[]): void {
    this.#restoring = names;
  }

  /** The number here of what had this number in the checkpoint. */
  restored(number: number): number {
    const name = this.#restoring[number];
    return name === undefined || name === '' ? groupUnknown : this.#add(name);
  }

  #add(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#names.length >= groupsMax) {
      throw new Error(`more than ${groupsMax} versions of workflows and bundles in one partition since it was loaded`);
    }
    this.#names.push(name);
    this.#groups.push(groupOf(name));
    this.#numbers.set(name, this.#names.length - 1);
    return this.#names.length - 1;
  }
}

function groupOf(name: string): Group {
  const [namespace = '', workflow = '', workflowDigest, pins, roles] = name.split('\n');
  return {
    namespace,
    workflow,
    ...(workflowDigest === undefined ? {} : { workflowDigest }),
    pins: pins === undefined ? [] : (JSON.parse(pins) as [string, string][]),
    roles: roles === undefined ? noRoles : (JSON.parse(roles) as RunRoles),
    open: 0,
  };
}
