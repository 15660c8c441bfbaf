MARK = "ELT_STACK"  # set to ELT_HOME in every process of a stack: what `down` recognises, whatever became of its parent
