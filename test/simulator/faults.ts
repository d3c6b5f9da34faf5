// Owns: what goes wrong besides messages: processes die, sleep and come back, their clocks differ, leases vanish, the server is
// killed. Each world has its own mix, so that some worlds know one kind of trouble only, and much of it.
import { buckets } from '../../api/messages/subjects.ts';
import { type Network, noRates } from './network.ts';
import type { Outside } from './outside.ts';
import { Died, type Process, type World } from './world.ts';

interface Living {
  readonly owner: Process;
  readonly start: () => void;
}

export interface Told {
  readonly fault: (name: string) => void;
  readonly recovered: (after: string) => void;
  /** Two engines believe that they have the same partition now, or will in a moment. */
  readonly contested: () => void;
  /** An engine sleeps for longer than its lease: what comes now is for the next owner. */
  readonly followed: () => void;
}

const kinds = ['crash', 'pause', 'server killed', 'lease lost', 'crash both'] as const;
const roles: readonly Focus[] = ['gateway', 'engine', 'worker'];
const rate = (choice: number): number => [0, 0, 0, 8, 30, 100][choice] ?? 0;
/** Some worlds have much trouble in one place: what goes wrong only when two rare things meet. */
const focuses = ['everywhere', 'gateway', 'engine', 'worker', 'model', 'people', 'tool', 'attempts', 'leases'] as const;
export type Focus = (typeof focuses)[number];
/** What goes wrong there is told at the place, and nobody dies of it besides. */
const calm: readonly Focus[] = ['tool', 'attempts', 'leases'];
/** About as long as a lease, or as the open entry of a call: whoever wakes then does not know what has happened. */
const sleepMs = [400, 2_400, 2_800, 3_200, 5_000] as const;

export class Faults {
  readonly world: World;
  readonly #network: Network;
  readonly #outside: Outside;
  readonly #told: Told;
  readonly #living: Living[] = [];
  #healed = false;
  #focus: Focus = 'everywhere';
  #dyingRate = 0;
  #sleepingRate = 0;

  constructor(network: Network, outside: Outside, told: Told) {
    this.world = network.world;
    this.#network = network;
    this.#outside = outside;
    this.#told = told;
  }

  add(owner: Process, start: () => void): void {
    this.#living.push({ owner, start });
  }

  /** Draws what goes wrong, and where, unless that is `given`. */
  begin(withinMs: number, given?: Focus): void {
    const { choices } = this.world;
    const mix = (label: string): number => rate(choices.below(6, label));
    this.#network.rates = { lost: mix('rate lost'), late: mix('rate late'), doubled: mix('rate doubled') };
    const [tool, model] = [3 * mix('rate tool'), 3 * mix('rate model')];
    this.#outside.trouble = { tool, away: 0, unsure: 0, model, down: 0, whim: 4 * mix('rate whim') };
    this.#dyingRate = [0, 0, 0, 4, 12, 40][choices.below(6, 'rate dying')] ?? 0;
    this.#sleepingRate = [0, 0, 0, 4, 12][choices.below(5, 'rate sleeping')] ?? 0;
    const drawn = focuses[choices.rarely([120, 80, 40, 60, 60, 40, 40, 60], 'focus')] ?? 'everywhere';
    this.#focus = given ?? drawn;
    this.#concentrate();
    if (this.contested) this.#contest(withinMs);
    if (choices.chance(500, 'skew')) {
      for (const { owner } of this.#living) owner.skewMs = choices.below(401, 'skew of') - 200;
    }
    const count = choices.below(7, 'faults');
    for (let fault = 0; fault < count; fault += 1) {
      const kind = kinds[choices.rarely([250, 150, 150, 100], 'fault')] ?? 'crash';
      this.world.after(choices.below(withinMs, 'fault when'), kind, undefined, () => this.#inject(kind));
    }
  }

  #concentrate(): void {
    const { rates } = this.#network;
    const { trouble } = this.#outside;
    if (this.#focus === 'everywhere') return;
    if (this.#focus === 'model') {
      // Many attempts, and reports that arrive when the next one is at work.
      this.#network.rates = { ...rates, late: Math.max(30, rates.late), doubled: 250 };
      this.#outside.trouble = { ...trouble, model: 90, down: 650, whim: 200 };
    }
    if (this.#focus === 'gateway') {
      this.#network.rates = { lost: Math.max(40, rates.lost), late: 60, doubled: 250 };
      this.#outside.trouble = { ...trouble, tool: 500 };
    }
    if (this.#focus === 'tool') {
      // Calls that act without an answer, and whose repeat is refused.
      this.#network.rates = noRates;
      this.#outside.trouble = { ...trouble, tool: 120, unsure: 230 };
    }
    if (this.#focus === 'attempts') {
      // Attempts that fail soon, and copies of their reports that arrive when the next one is at work.
      this.#network.rates = { lost: 0, late: 30, doubled: 300 };
      this.#outside.trouble = { ...trouble, tool: 0, away: 800 };
    }
    if (this.#focus === 'leases') this.#network.rates = { ...rates, lost: Math.min(8, rates.lost) };
    if (calm.includes(this.#focus)) return;
    this.#dyingRate = this.#focus === 'engine' ? 25 : 10;
    this.#sleepingRate = this.#focus === 'gateway' ? 90 : 25;
  }

  /** True when engines of this world fight about their partitions. */
  get contested(): boolean {
    return this.#focus === 'leases';
  }

  /** A few times another engine has the lease, and the owner before does not know. */
  #contest(withinMs: number): void {
    const { choices } = this.world;
    for (let at = 300 + choices.below(900, 'contest when'); at < withinMs; at += 1_500 + choices.below(3_000, 'next')) {
      this.world.after(at, 'contest', undefined, () => {
        if (this.#healed) return;
        const owner = this.#ownerOf(choices.below(this.#network.partitions, 'whose'));
        if (owner === undefined) return;
        if (choices.chance(500, 'sleeps for long')) this.#sleepsForLong(owner);
        else this.#isFollowed();
      });
    }
  }

  /** Its lease is gone; until it renews it, it believes in it, and another one may have the partition, and begin something. */
  #isFollowed(): void {
    const { choices } = this.world;
    this.#wipe();
    for (let event = 0; event < 4; event += 1)
      this.world.after(choices.below(1_000, 'event when'), 'event', undefined, () => this.#told.contested());
  }

  /** Another one takes over and is gone again, with its lease, when it wakes. */
  #sleepsForLong(owner: Process): void {
    const { choices } = this.world;
    const ms = 6_000 + choices.below(1_200, 'sleeps for');
    this.#told.fault('pause engine');
    this.#sleep(owner, ms);
    this.world.after(choices.below(2_500, 'followed when'), 'followed', undefined, () => this.#told.followed());
    this.world.after(ms - 1 - choices.below(300, 'gone before'), 'gone', undefined, () => {
      if (this.#healed) return;
      for (const one of this.#living) if (one.owner.role === 'engine' && one.owner !== owner) this.#crash(one);
      this.#wipe();
    });
  }

  #wipe(): void {
    this.#told.fault('lease lost');
    this.#network.table(buckets.owners).rows.clear();
  }

  #ownerOf(partition: number): Process | undefined {
    const table = this.#network.table(buckets.owners);
    const lease = this.#network.row(table, `p${partition}`)?.value as { readonly owner: string } | undefined;
    return this.#living.find(({ owner }) => owner.alive && owner.name === lease?.owner)?.owner;
  }

  /** True when people of this world are late, and engines sleep while they are. */
  get latePeople(): boolean {
    return this.#focus === 'people';
  }

  /**
   * The current process passes a moment of a protocol: it may be its last, or the last one for a while. Throws when it dies, so
   * that nothing follows.
   */
  pass(moment: string): void {
    if (this.#dyingRate + this.#sleepingRate === 0 || this.#healed) return;
    if (roles.includes(this.#focus) && !moment.startsWith(`${this.#focus}.`)) return;
    const one = this.#living.find(({ owner }) => owner === this.world.current);
    if (one?.owner.alive !== true) return;
    const fate = this.world.choices.rarely([this.#dyingRate, this.#sleepingRate], 'dies or sleeps here');
    if (fate === 0) return;
    if (fate === 2) {
      this.#told.fault(`sleeps at a moment of a ${one.owner.role}`);
      this.#sleep(one.owner, sleepMs[this.world.choices.below(sleepMs.length, 'sleeps for')] ?? 0);
      return;
    }
    this.#told.fault(`dies at ${moment}`);
    this.#crash(one);
    throw new Died(`${one.owner.name} is dead`);
  }

  /** Every engine sleeps over something: none of them is there when it is due. */
  enginesSleep(ms: number): void {
    if (this.#healed) return;
    for (const { owner } of this.#living) {
      if (owner.role !== 'engine' || !owner.alive) continue;
      this.#told.fault('pause engine');
      this.#sleep(owner, ms);
    }
  }

  #sleep(owner: Process, ms: number): void {
    owner.pausedUntil = Math.max(owner.pausedUntil, this.world.now + ms);
    this.world.tell(() => `pause ${owner.name} until ${owner.pausedUntil - 1_000_000}`);
    this.world.after(owner.pausedUntil - this.world.now, 'wakes', undefined, () =>
      this.#told.recovered(`pause ${owner.role}`),
    );
  }

  /** From now on nothing is lost, everybody is there, and clocks stay as they are. */
  heal(): void {
    this.#healed = true;
    this.#network.rates = { lost: 0, late: 0, doubled: 0 };
    this.#outside.trouble = { tool: 0, away: 0, unsure: 0, model: 0, down: 0, whim: 0 };
    if (!this.#network.up) this.#serverStarts(10);
    for (const one of this.#living) {
      if (!one.owner.alive) this.#revive(one);
      one.owner.pausedUntil = Math.min(one.owner.pausedUntil, this.world.now);
    }
  }

  #inject(kind: (typeof kinds)[number]): void {
    if (this.#healed) return;
    const { choices } = this.world;
    switch (kind) {
      case 'crash':
        this.#crash(this.#someone());
        return;
      case 'crash both': {
        const role = (['engine', 'gateway'] as const)[choices.below(2, 'which both')];
        for (const one of this.#living) if (one.owner.role === role) this.#crash(one);
        return;
      }
      case 'pause': {
        const { owner } = this.#someone();
        this.#told.fault(`pause ${owner.role}`);
        // As long as a lease, or any time.
        const ms = choices.chance(500, 'as a lease')
          ? 2_400 + choices.below(1_200, 'pause for')
          : 200 + choices.below(9_000, 'pause for');
        this.#sleep(owner, ms);
        return;
      }
      case 'lease lost':
        this.#wipe();
        return;
      case 'server killed':
        if (!this.#network.up) return;
        this.#told.fault('server killed');
        this.world.tell(() => 'the server is killed');
        this.#network.kill();
        this.world.after(50 + choices.below(4_000, 'server away'), 'server starts', undefined, () =>
          this.#serverStarts(50 + choices.below(800, 'operator notices')),
        );
    }
  }

  #someone(): Living {
    const { choices } = this.world;
    const role = (['engine', 'worker', 'gateway'] as const)[choices.below(3, 'role')];
    const all = this.#living.filter(({ owner }) => owner.role === role);
    return all[choices.below(all.length, 'which')] as Living;
  }

  #crash(one: Living): void {
    const { owner } = one;
    if (!owner.alive) return;
    owner.alive = false;
    owner.life += 1;
    this.#told.fault(`crash ${owner.role}`);
    this.world.tell(() => `crash ${owner.name}`);
    this.world.after(100 + this.world.choices.below(6_000, 'away'), 'revive', undefined, () => this.#revive(one));
  }

  #revive(one: Living): void {
    const { owner, start } = one;
    if (owner.alive) return;
    owner.alive = true;
    // What a dead process still began, on its way out, is of neither life.
    owner.life += 1;
    owner.pausedUntil = 0;
    this.#told.recovered(`crash ${owner.role}`);
    this.world.tell(() => `${owner.name} is back`);
    start();
  }

  #serverStarts(operatorAfterMs: number): void {
    if (this.#network.up) return;
    this.#network.start(operatorAfterMs);
    this.world.tell(() => 'the server is back');
    this.#told.recovered('server killed');
  }
}
