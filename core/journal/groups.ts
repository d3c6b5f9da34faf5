// Owns: numbers in place of the names of namespaces and workflows.

const groupsMax = 65_535;

export class Groups {
  readonly #names: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(namespace: string, workflow: string): number {
    return this.#add(`${namespace}\n${workflow}`);
  }

  namespaceOf(number: number): string {
    return this.#names[number]?.split('\n')[0] ?? '';
  }

  /** Numbers of all that fit. */
  fitting(namespace: string | undefined, workflow: string | undefined): ReadonlySet<number> {
    return new Set(
      this.#names.flatMap((name, number) => {
        const [ofNamespace, ofWorkflow] = name.split('\n');
        const fits =
          (namespace === undefined || namespace === ofNamespace) && (workflow === undefined || workflow === ofWorkflow);
        return fits ? [number] : [];
      }),
    );
  }

  names(): readonly string[] {
    return [...this.#names];
  }

  restore(names: readonly string[]): void {
    for (const name of names) this.#add(name);
  }

  #add(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#names.length >= groupsMax) throw new Error(`more than ${groupsMax} workflows in one partition`);
    this.#names.push(name);
    this.#numbers.set(name, this.#names.length - 1);
    return this.#names.length - 1;
  }
}
