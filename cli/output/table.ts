// Owns: tables that fit the screen. What has to be typed again (names, ids) is never cut: first long sentences are cut, then
// the least important columns are left out; `-o wide` shows everything.
import { oneLine, type Paint, plain } from './style.ts';
import { cut, pad, widthOf } from './width.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Numbers stand at the right. */
  readonly right?: boolean;
  /** May be cut down to this many columns. */
  readonly shrinkTo?: number;
  /** Left out where there is no room: the highest first. Absent: always there. */
  readonly drop?: number;
  /** Only with `-o wide`. */
  readonly wide?: boolean;
  readonly tone?: (row: Row, paint: Paint) => Paint1;
}

export type Paint1 = (text: string) => string;

export interface TableOptions<Row = unknown> {
  readonly columns: number;
  readonly wide?: boolean;
  readonly paint?: Paint;
  /** Rows that follow an earlier table: no heading, and as wide as these rows need, so that they line up. */
  readonly below?: readonly Row[];
}

const GAP = 2;

interface Lane<Row> {
  readonly column: Column<Row>;
  readonly cells: readonly string[];
  readonly width: number;
}

/** Lines without trailing spaces; the first is the heading. */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: TableOptions<Row>,
): string[] {
  const paint = options.paint ?? plain;
  const shown = columns.filter((column) => options.wide === true || column.wide !== true);
  const lanes = shown.map((column): Lane<Row> => {
    const cells = rows.map((row) => oneLine(column.value(row)) || '-');
    const others = (options.below ?? []).map((row) => oneLine(column.value(row)));
    return { column, cells, width: Math.max(...[column.title, ...cells, ...others].map(widthOf)) };
  });
  const fitted = options.wide === true ? lanes : fit(lanes, options.columns);
  const heading = fitted.map((lane) => pad(lane.column.title, lane.width, lane.column.right)).join(' '.repeat(GAP));
  const lines = rows.map((row, index) => line(fitted, row, index, paint));
  return options.below !== undefined ? lines : [paint('bold', heading.trimEnd()), ...lines];
}

function line<Row>(lanes: readonly Lane<Row>[], row: Row, index: number, paint: Paint): string {
  const last = lanes.length - 1;
  const cells = lanes.map(({ column, cells: all, width }, at) => {
    const text = cut(all[index] ?? '', width);
    const tone = column.tone?.(row, paint) ?? ((cell: string) => cell);
    const filled = pad('', width - widthOf(text));
    if (column.right === true) return filled + tone(text);
    return at === last ? tone(text) : tone(text) + filled;
  });
  return cells.join(' '.repeat(GAP)).trimEnd();
}

/** Shrinks, then drops, until the lanes fit. */
function fit<Row>(lanes: readonly Lane<Row>[], columns: number): readonly Lane<Row>[] {
  const shrunk = shrink(lanes, columns);
  if (total(shrunk) <= columns) return shrunk;
  const droppable = lanes.filter((lane) => lane.column.drop !== undefined);
  if (droppable.length === 0) return shrunk;
  const least = droppable.reduce((a, b) => ((b.column.drop ?? 0) > (a.column.drop ?? 0) ? b : a));
  return fit(
    lanes.filter((lane) => lane !== least),
    columns,
  );
}

/** Takes what is missing from the widest lane that may shrink, again until nothing is missing or can be taken. */
function shrink<Row>(lanes: readonly Lane<Row>[], columns: number): readonly Lane<Row>[] {
  const fitted = [...lanes];
  for (let over = total(fitted) - columns; over > 0; over = total(fitted) - columns) {
    let widest = -1;
    for (const [index, { column, width }] of fitted.entries()) {
      const least = Math.max(column.shrinkTo ?? width, widthOf(column.title));
      if (width > least && (widest < 0 || width > (fitted[widest]?.width ?? 0))) widest = index;
    }
    const lane = fitted[widest];
    if (lane === undefined) return fitted;
    const least = Math.max(lane.column.shrinkTo ?? 0, widthOf(lane.column.title));
    fitted[widest] = { ...lane, width: Math.max(least, lane.width - over) };
  }
  return fitted;
}

function total(lanes: readonly { readonly width: number }[]): number {
  return lanes.reduce((sum, lane) => sum + lane.width, 0) + GAP * Math.max(0, lanes.length - 1);
}
