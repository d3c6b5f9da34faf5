// Owns: what shells load. Each script only asks `signalbox __complete`, so that it never grows old.

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

const bash = `# bash completion of signalbox
_signalbox() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(signalbox __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [ "\${#COMPREPLY[@]}" -eq 0 ]; then
    compopt -o default 2>/dev/null
  fi
}
complete -F _signalbox signalbox
`;

const zsh = `#compdef signalbox
# zsh completion of signalbox
_signalbox() {
  local -a found
  local line
  while IFS= read -r line; do
    local name=\${line%%$'\\t'*} words=\${line#*$'\\t'}
    found+=("\${name//:/\\\\:}:$words")
  done < <(signalbox __complete -- "\${words[@]:1:$((CURRENT-1))}" 2>/dev/null)
  if (( \${#found} )); then
    _describe 'signalbox' found
  else
    _files
  fi
}
compdef _signalbox signalbox
`;

const fish = `# fish completion of signalbox
function __signalbox_complete
  set -l words (commandline -opc) (commandline -ct)
  signalbox __complete -- $words[2..-1] 2>/dev/null
end
complete -c signalbox -f -a '(__signalbox_complete)'
complete -c signalbox -n '__fish_seen_argument -l input -l kubeconfig -l out' -F
`;

export const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };
