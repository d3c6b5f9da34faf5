// Owns: names. A Tool is called by a DNS label; what the server calls it is kept in `function`.

const NAME_MAX = 63;

/** `getUserById`, `get_user.by id` → `get-user-by-id`; `tool` where nothing is left. */
export function dnsLabel(text: string): string {
  const label = text
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1-$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-');
  return trimmed(label) || 'tool';
}

const trimmed = (label: string): string => label.slice(0, NAME_MAX).replaceAll(/^-+|-+$/g, '');

/** Gives each text a label nobody else has: the second `get-user` becomes `get-user-2`. */
export function namer(prefix = ''): (text: string) => string {
  const taken = new Set<string>();
  return (text) => {
    const label = trimmed(dnsLabel(prefix + text));
    for (let count = 1; ; count += 1) {
      const suffix = count === 1 ? '' : `-${count}`;
      const name = `${trimmed(label.slice(0, NAME_MAX - suffix.length))}${suffix}`;
      if (taken.has(name)) continue;
      taken.add(name);
      return name;
    }
  };
}

/** The name shown to the model, where it is not the Tool's own; the shape that model vendors allow. */
export function functionName(original: string, name: string): string | undefined {
  if (original === name) return undefined;
  const allowed = original.replaceAll(/[^A-Za-z0-9_-]+/g, '_').slice(0, 64);
  return allowed === '' || allowed === name ? undefined : allowed;
}
