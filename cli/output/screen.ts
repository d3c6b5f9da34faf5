// Owns: standard output and standard error. Results go to the first, everything else (progress, hints, errors) to the second.
import { coloured, type Paint, plain } from './style.ts';

export interface Screen {
  /** Columns of the terminal; 80 where there is none. */
  readonly columns: number;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
  /** Colours on standard output; does nothing where it is no terminal or NO_COLOR is set. */
  readonly paint: Paint;
  /** The same for standard error. */
  readonly paintError: Paint;
  /** Writes text and a line break to standard output. */
  print(text: string): void;
  /** Writes text and a line break to standard error. */
  note(text: string): void;
  /** Writes text as it is to standard output: files, scripts. */
  raw(text: string): void;
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const COLUMNS_MIN = 40;
const COLUMNS_MAX = 400;
const COLUMNS_DEFAULT = 80;

export function openScreen(
  out: Stream,
  error: Stream,
  environment: Readonly<Record<string, string | undefined>>,
): Screen {
  const colours = (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb';
  const given = Number(environment['COLUMNS']);
  // A terminal that does not know its width says 0.
  const columns = [out.columns, given].find((value) => Number.isInteger(value) && Number(value) > 0) ?? COLUMNS_DEFAULT;
  return {
    columns: Math.min(Math.max(columns, COLUMNS_MIN), COLUMNS_MAX),
    terminal: out.isTTY === true,
    paint: colours && out.isTTY === true ? coloured : plain,
    paintError: colours && error.isTTY === true ? coloured : plain,
    print: (text) => void out.write(`${text}\n`),
    note: (text) => void error.write(`${text}\n`),
    raw: (text) => void out.write(text),
  };
}
