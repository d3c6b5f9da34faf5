// Owns: how wide text is on a terminal, cutting and wrapping it. Input is printable text without colours.

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const mark = /\p{Mark}/u;

/** Columns the text takes. */
export function widthOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += widthOfCharacter(character);
  return columns;
}

function widthOfCharacter(character: string): number {
  if (character <= '\u02ff') return 1;
  if (mark.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

/** At most `columns` wide; `…` shows that something is missing. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += widthOfCharacter(character);
    if (used > columns - 1) break;
    kept += character;
  }
  return `${kept.trimEnd()}…`;
}

/** Filled with spaces to `columns`, at the right or (for numbers) at the left. */
export function pad(text: string, columns: number, right = false): string {
  const fill = ' '.repeat(Math.max(0, columns - widthOf(text)));
  return right ? fill + text : text + fill;
}

/** Lines of at most `columns`, broken at spaces; a word that is longer is broken anywhere. Keeps given line breaks. */
export function wrap(text: string, columns: number): string[] {
  return text.split('\n').flatMap((line) => wrapLine(line, Math.max(columns, 8)));
}

function wrapLine(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (widthOf(joined) <= columns) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (widthOf(line) > columns) {
      const head = takeColumns(line, columns);
      lines.push(head);
      line = line.slice(head.length);
    }
  }
  lines.push(line);
  return lines;
}

function takeColumns(text: string, columns: number): string {
  let taken = '';
  let used = 0;
  for (const character of text) {
    used += widthOfCharacter(character);
    if (used > columns) break;
    taken += character;
  }
  return taken;
}
