// Owns: the grammar of templates: text with `${cel}` inside; braces and quotes within the expression are understood;
// `$${` is a plain `${`.

export type TemplatePart =
  { readonly kind: 'Text'; readonly text: string } | { readonly kind: 'Expression'; readonly source: string };

/** @throws Error when a `${` is not closed. */
export function splitTemplate(template: string): readonly TemplatePart[] {
  const parts: TemplatePart[] = [];
  let text = '';
  let at = 0;
  while (at < template.length) {
    if (template.startsWith('$${', at)) {
      text += '${';
      at += 3;
    } else if (template.startsWith('${', at)) {
      const end = closingBrace(template, at + 2);
      if (text !== '') parts.push({ kind: 'Text', text });
      text = '';
      parts.push({ kind: 'Expression', source: template.slice(at + 2, end) });
      at = end + 1;
    } else {
      text += template[at];
      at += 1;
    }
  }
  if (text !== '' || parts.length === 0) parts.push({ kind: 'Text', text });
  return parts;
}

function closingBrace(template: string, start: number): number {
  let depth = 0;
  let quote = '';
  for (let at = start; at < template.length; at += 1) {
    const character = template[at] ?? '';
    if (quote !== '') {
      if (character === '\\') at += 1;
      else if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '{') depth += 1;
    else if (character === '}') {
      if (depth === 0) return at;
      depth -= 1;
    }
  }
  throw new Error(`"\${" without its closing "}": ${template.slice(start - 2, start + 60)}`);
}

/** The sources of all expressions in a JSON value whose templates are well formed. */
export function expressionsIn(template: unknown): readonly string[] {
  if (typeof template === 'string') {
    return splitTemplate(template).flatMap((part) => (part.kind === 'Expression' ? [part.source] : []));
  }
  if (typeof template !== 'object' || template === null) return [];
  return Object.values(template).flatMap(expressionsIn);
}
