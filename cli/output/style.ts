// Owns: colour and what may reach a terminal. Text from models, tools and people is never trusted with control characters.

export type Tone = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const codes: Readonly<Record<Tone, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

export type Paint = (tone: Tone, text: string) => string;

export const plain: Paint = (_tone, text) => text;
export const coloured: Paint = (tone, text) => {
  const [open, close] = codes[tone];
  return text === '' ? text : `\u001b[${open}m${text}\u001b[${close}m`;
};

// C0 (but tab and newline), DEL, C1, zero-width and bidirectional controls: they can rewrite or hide what is on the screen.
const unsafe = /(?![\t\n])[\p{Cc}\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** The text with everything a terminal would obey replaced by a visible escape. */
export function printable(text: string): string {
  return text.replaceAll(unsafe, (character) => `\\u${character.codePointAt(0)?.toString(16).padStart(4, '0')}`);
}

/** As `printable`, on one line. */
export function oneLine(text: string): string {
  return printable(text).replaceAll(/\s+/g, ' ').trim();
}
