"""Workers and beats, killed, ended, too many or none: one stack for all modules of this folder."""
