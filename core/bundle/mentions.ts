// Owns: what a prompt refers to. A reference is a name with "-", "_" or a capital inside (`find-patient`, `getUser`), or anything
// between backticks; with `.field` behind it, or with arguments in brackets. All other words are prose.

/** A place in a text; both from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

export interface Mention {
  readonly word: string;
  /** Behind the word: `find-patient.phone` has ["phone"]. */
  readonly fields: readonly string[];
  /** What stands in brackets behind it; undefined without brackets. */
  readonly args?: readonly string[];
  /** Between backticks. */
  readonly quoted: boolean;
  /** Behind a word that asks for a call: use, call, with … */
  readonly asked: boolean;
  readonly at: TextPlace;
}

const name = '[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*';
const fields = '(?:\\.[A-Za-z_][A-Za-z0-9_]*)*';
/** In prose a capital behind a full stop begins a sentence. */
const bareFields = '(?:\\.[a-z_][A-Za-z0-9_]*)*';
const quotedSpan = /`([^`\n]{1,256})`/g;
const quotedReference = new RegExp(`^(${name})(${fields})(?:\\(([^()]*)\\))?$`);
const bareReference = new RegExp(
  `(?<![\\w.@/#-])(${name})(${bareFields})(?![\\w@/]|-\\w)(?:\\(([^()\\n]{0,256})\\))?`,
  'g',
);
const looksLikeName = /[-_]|[a-z][A-Z]/;
const asksForCall = /\b(?:use|uses|using|call|calls|calling|with|via|through|from|run|invoke|tools?)\s+`?$/i;

export function mentionsIn(text: string): readonly Mention[] {
  const placeOf = places(text);
  const quoted = Array.from(text.matchAll(quotedSpan), ({ 1: inside = '', index }) => {
    const [, word, path = '', args] = quotedReference.exec(inside.trim()) ?? [];
    return word === undefined ? [] : [mention({ text, index: index + 1, word, path, args, quoted: true })];
  }).flat();
  // What is quoted was read; its place is kept, so that lines and columns stay true.
  const rest = text.replaceAll(quotedSpan, (span) => ' '.repeat(span.length));
  const bare = Array.from(rest.matchAll(bareReference), ({ 1: word = '', 2: path = '', 3: args, index }) =>
    looksLikeName.test(word) ? [mention({ text, index, word, path, args, quoted: false })] : [],
  ).flat();
  return [...quoted, ...bare]
    .toSorted((left, right) => left.index - right.index)
    .map(({ index, ...found }) => ({
      ...found,
      at: placeOf(index),
    }));
}

interface Found {
  readonly text: string;
  readonly index: number;
  readonly word: string;
  readonly path: string;
  readonly args: string | undefined;
  readonly quoted: boolean;
}

function mention({ text, index, word, path, args, quoted }: Found): Omit<Mention, 'at'> & { readonly index: number } {
  return {
    index,
    word,
    fields: path.split('.').slice(1),
    ...(args === undefined ? {} : { args: argumentsIn(args, quoted) }),
    quoted,
    asked: asksForCall.test(text.slice(Math.max(0, index - 24), index)),
  };
}

/** `phone, name: …` has phone and name. In prose only `name:` and `name=` are arguments: `slot(s)` has none. */
function argumentsIn(text: string, quoted: boolean): readonly string[] {
  const named = Array.from(text.matchAll(/([A-Za-z_]\w*)\s*[:=]/g), ([, argument = '']) => argument);
  if (named.length > 0 || !quoted) return named;
  const plain = text.split(',').map((part) => part.trim());
  return plain.every((part) => /^[A-Za-z_]\w*$/.test(part)) ? plain : [];
}

function places(text: string): (index: number) => TextPlace {
  const starts = [0, ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1)];
  return (index) => {
    const line = starts.findLastIndex((start) => start <= index);
    return { line: line + 1, column: index - (starts[line] ?? 0) + 1 };
  };
}
