"""One Lua file for each state transition; files that begin with _ are parts of them."""
