// Owns: how a list is written in each format, and what is said when it is empty.
import type { Screen } from './screen.ts';
import { documentText, type Format, isDocument } from './document.ts';
import { type Column, table } from './table.ts';

export interface Listed<Row> {
  readonly columns: readonly Column<Row>[];
  readonly name: (row: Row) => string;
  /** A sentence, and what to type. */
  readonly empty: string;
}

/** Says that a list may have been cut; `max`: no more can be asked for at once. */
export function noteMore(
  screen: Screen,
  shown: number,
  { limit, max, output }: { readonly limit: number; readonly max: number; readonly output: Format },
): void {
  if (shown < limit || isDocument(output) || output === 'name') return;
  const more = limit < max ? `: --limit ${Math.min(limit * 2, max)}` : '';
  screen.note(`These are the newest ${shown}; there may be more${more}`);
}

/** Names and documents go to standard output; the words about an empty list to standard error. */
export async function printList<Row>(
  screen: Screen,
  rows: readonly Row[],
  listed: Listed<Row>,
  options: { readonly format: Format; readonly below?: readonly Row[] },
): Promise<void> {
  const { format, below } = options;
  const first = below === undefined;
  if (isDocument(format)) {
    if (first) screen.raw(await documentText({ items: rows }, format));
    else for (const row of rows) screen.raw(await documentText(row, format));
    return;
  }
  if (rows.length === 0) {
    if (first) screen.note(listed.empty);
    return;
  }
  if (format === 'name') {
    screen.print(rows.map(listed.name).join('\n'));
    return;
  }
  const { columns, paint } = screen;
  screen.print(
    table(rows, listed.columns, { columns, paint, wide: format === 'wide', ...(first ? {} : { below }) }).join('\n'),
  );
}
