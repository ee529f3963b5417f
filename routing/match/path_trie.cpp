#include "routing/match/path_trie.h"
