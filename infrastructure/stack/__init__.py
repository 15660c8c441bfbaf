MARK = "ELT_STACK"  # set to ELT_HOME in every process of a stack: what `down` recognises, whatever became of its parent
SMTP_USER = "elt"  # who logs in to the sink's mail server; the password is the webhook's token
