_hpac_completion() {
    local IFS=$'
'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" \
                   COMP_CWORD=$COMP_CWORD \
                   _HPAC_COMPLETE=complete_bash $1 ) )
    return 0
}

complete -o default -F _hpac_completion hpac
