// Owns: live progress. On a terminal each subject has one line that is redrawn in place; elsewhere a line is printed when
// something changes.
import type { Screen } from '../output/screen.ts';
import { oneLine, type Tone } from '../output/style.ts';
import { cut } from '../output/width.ts';

export interface Board {
  /** A heading, with the commands one would type. */
  heading(title: string, ...commands: readonly string[]): void;
  /** What the subject is doing now. */
  show(subject: string, text: string, tone?: Tone): void;
  /** Leaves the lines as they are; the next `show` begins below. */
  settle(): void;
}

interface Line {
  readonly text: string;
  readonly tone: Tone | undefined;
}

const subjectWidth = 12;

export function openBoard(screen: Screen): Board {
  const lines = new Map<string, Line>();
  const drawn = (subject: string, { text, tone }: Line): string => {
    // A line that is redrawn must not fold; a log keeps everything.
    const whole = oneLine(text);
    const shown = screen.terminal ? cut(whole, screen.columns - subjectWidth - 4) : whole;
    const name = subject.padEnd(subjectWidth);
    return `  ${name} ${tone === undefined ? shown : screen.paint(tone, shown)}`;
  };
  return {
    heading(title, ...commands) {
      lines.clear();
      screen.print(`\n${screen.paint('bold', title)}`);
      for (const command of commands) screen.print(screen.paint('dim', `  $ ${command}`));
    },
    show(subject, text, tone) {
      const before = lines.get(subject);
      if (before?.text === text && before.tone === tone) return;
      const height = lines.size;
      lines.set(subject, { text, tone });
      if (!screen.terminal) return screen.print(drawn(subject, { text, tone }));
      const up = height === 0 ? '' : `\u001b[${height}A`;
      const body = [...lines].map(([name, line]) => `\u001b[2K${drawn(name, line)}\n`).join('');
      screen.raw(up + body);
    },
    settle: () => lines.clear(),
  };
}
