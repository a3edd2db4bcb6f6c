"""The program ``humorscope``: its sub-commands, what each of them starts, and the completion of its words in shells."""
