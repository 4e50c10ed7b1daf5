"""What the bot has done, in figures: counted from the rows, and drawn. Says nothing about any one member."""
