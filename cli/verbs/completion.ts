import { Argument, Command } from 'commander';
import { scripts, type Shell, shells } from '../completion/scripts.ts';
import type { Host } from '../host.ts';
import { withExamples } from '../options.ts';

export function completionVerb(host: Host): Command {
  const command = new Command('completion')
    .summary('completion script for your shell')
    .description(
      'Prints a script that completes verbs, flags, and the names of workflows, agents, runs and escalations. Names are ' +
        'looked up for one second at most.',
    )
    .addArgument(new Argument('<shell>', 'your shell').choices([...shells]));
  withExamples(
    command,
    { line: 'source <(signalbox completion bash)', says: 'bash, in ~/.bashrc' },
    { line: 'source <(signalbox completion zsh)', says: 'zsh, in ~/.zshrc' },
    { line: 'signalbox completion fish > ~/.config/fish/completions/signalbox.fish', says: 'fish, once' },
  );
  return command.action((shell: Shell) => host.screen.raw(scripts[shell]));
}
