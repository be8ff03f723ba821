#!/usr/bin/env bash

# This function joins an array using a character passed in
# e.g. ARRAY=(one two three) -> join_by ":" ${ARRAY[@]} -> "one:two:three"
function join_by { local IFS="$1"; shift; echo "$*"; }

_bgd_autocomplete()
{

  local cur="${COMP_WORDS[COMP_CWORD]}" opts normalizedCommand colonPrefix IFS=$' \t\n'
  COMPREPLY=()

  local commands="
autocomplete --refresh-cache
help --nested-commands
action-cache:delete --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
action-cache:get --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
action-cache:update --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
bot:drain --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id --undo
bot:dummy --remote --auth-token --client-key --client-cert --server-cert --log-level --verbose --parent --concurrency --worker-property --exit-code --seconds
bot:host-tools --remote --auth-token --client-key --client-cert --server-cert --remote-cas --cas-client-key --cas-client-cert --cas-server-cert --log-level --verbose --parent --concurrency --worker-property --work-dir
bot:list --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id --platform-property --limit --page-token
capabilities --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
cas:download-dir --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
cas:download-file --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
cas:stats --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
cas:upload-dir --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
cas:upload-file --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
execute:command --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id --remote-cas --cas-client-key --cas-client-cert --cas-server-cert --output-path --output-file --output-directory --platform-property --env --no-cache --timeout
operation:cancel --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
operation:list --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id --filter --limit --page-token
operation:requeue --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
operation:show --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
operation:status --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
operation:wait --json --remote --auth-token --client-key --client-cert --server-cert --instance-name --action-id --invocation-id --correlation-id
server:cleanup --json --log-level --verbose --data-dir --high-watermark --low-watermark --batch-size --only-if-unused-for --dry-run --sleep-interval --refill
server:fsck --json --log-level --verbose --data-dir --action-cache --repair
server:import --json --log-level --verbose --data-dir --from --into
server:migrate --json --log-level --verbose --data-dir --dry-run
server:simulate --json --bots --jobs --order --seed --csv
server:start --log-level --verbose --listen --data-dir --instance
"

  function __trim_colon_commands()
  {
    # Turn $commands into an array
    commands=("${commands[@]}")

    if [[ -z "$colonPrefix" ]]; then
      colonPrefix="$normalizedCommand:"
    fi

    # Remove colon-word prefix from $commands
    commands=( "${commands[@]/$colonPrefix}" )

    for i in "${!commands[@]}"; do
      if [[ "${commands[$i]}" == "$normalizedCommand" ]]; then
        # If the currently typed in command is a topic command we need to remove it to avoid suggesting it again
        unset "${commands[$i]}"
      else
        # Trim subcommands from each command
        commands[$i]="${commands[$i]%%:*}"
      fi
    done
  }

  if [[ "$cur" != "-"* ]]; then
    # Command
    __COMP_WORDS=( "${COMP_WORDS[@]:1}" )

    # The command typed by the user but separated by colons (e.g. "mycli command subcom" -> "command:subcom")
    normalizedCommand="$( printf "%s" "$(join_by ":" "${__COMP_WORDS[@]}")" )"

    # The command hirarchy, with colons, leading up to the last subcommand entered (e.g. "mycli com subcommand subsubcom" -> "com:subcommand:")
    colonPrefix="${normalizedCommand%"${normalizedCommand##*:}"}"

    if [[ -z "$normalizedCommand" ]]; then
      # If there is no normalizedCommand yet the user hasn't typed in a full command
      # So we should trim all subcommands & flags from $commands so we can suggest all top level commands
      opts=$(printf "%s " "${commands[@]}" | grep -Eo '^[a-zA-Z0-9_-]+')
    else
      # Filter $commands to just the ones that match the $normalizedCommand and turn into an array
      commands=( $(compgen -W "$commands" -- "${normalizedCommand}") )
      # Trim higher level and subcommands from the subcommands to suggest
      __trim_colon_commands "$colonPrefix"

      opts=$(printf "%s " "${commands[@]}") # | grep -Eo '^[a-zA-Z0-9_-]+'
    fi
  else 
    # Flag

    # The full CLI command separated by colons (e.g. "mycli command subcommand --fl" -> "command:subcommand")
    # This needs to be defined with $COMP_CWORD-1 as opposed to above because the current "word" on the command line is a flag and the command is everything before the flag
    normalizedCommand="$( printf "%s" "$(join_by ":" "${COMP_WORDS[@]:1:($COMP_CWORD - 1)}")" )"

    # The line below finds the command in $commands using grep
    # Then, using sed, it removes everything from the found command before the --flags (e.g. "command:subcommand:subsubcom --flag1 --flag2" -> "--flag1 --flag2")
    opts=$(printf "%s " "${commands[@]}" | grep "${normalizedCommand}" | sed -n "s/^${normalizedCommand} //p")
  fi

  COMPREPLY=($(compgen -W "$opts" -- "${cur}"))
}

complete -F _bgd_autocomplete bgd
