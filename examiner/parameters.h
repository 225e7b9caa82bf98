// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest's command line: words apart by spaces.
//   expect=HOST      deviations that are known of that host (hosts.h) fail nothing
//   platform=NAME    native, sev-es or sev-snp: what the guest has to be
//   only=PREFIX,...  the cases whose id begins so
//   end=ID           that case alone, which ends the guest where all is well
#pragma once

#include "x86/types.h"

namespace vestibule::examiner {

/// Characters of the command line, which no zero byte ends.
struct Word {
    const char* begin = "";
    size_t length     = 0;

    constexpr bool is_empty() const { return length == 0; }

    constexpr bool is(const char* text) const { return is_prefix_of(text, true); }

    /// Whether the word is one of the beginnings of an id, between commas; an empty one is.
    constexpr bool begins(const char* id) const {
        for (size_t at = 0;; ++at) {
            size_t end = at;
            while (end < length && begin[end] != ',') {
                ++end;
            }
            if (Word{begin + at, end - at}.is_prefix_of(id)) {
                return true;
            }
            if (end == length) {
                return false;
            }
            at = end;
        }
    }

    constexpr bool is_prefix_of(const char* text, bool whole = false) const {
        size_t n = 0;
        for (; n < length; ++n) {
            if (text[n] == '\0' || text[n] != begin[n]) {
                return false;
            }
        }
        return !whole || text[n] == '\0';
    }
};

struct Parameters {
    Word expect;
    Word platform;
    Word only;
    Word end;
    Word unknown; ///< the first word that is none of these
};

constexpr Parameters read_parameters(const char* line, size_t length) {
    struct Key {
        const char* name; // with its =
        Word Parameters::* value;
    };

    constexpr Key keys[] = {
        {"expect=",   &Parameters::expect  },
        {"platform=", &Parameters::platform},
        {"only=",     &Parameters::only    },
        {"end=",      &Parameters::end     },
    };
    Parameters parameters;
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && line[end] != ' ') {
            ++end;
        }
        const Word word{line + at, end - at};
        at         = end + 1;
        bool known = word.is_empty();
        for (const Key& key : keys) {
            size_t n = 0;
            while (n < word.length && key.name[n] != '\0' && key.name[n] == word.begin[n]) {
                ++n;
            }
            if (key.name[n] == '\0') {
                parameters.*key.value = {word.begin + n, word.length - n};
                known                 = true;
            }
        }
        if (!known && parameters.unknown.is_empty()) {
            parameters.unknown = word;
        }
    }
    return parameters;
}

} // namespace vestibule::examiner
