// SPDX-License-Identifier: BSD-2-Clause-Patent
// The relocations of a position-independent payload: relative ones, which need no symbols. They
// come one word after another; who has loaded the payload knows how a word of it is reached.
#pragma once

#include "elf/image.h"

namespace vestibule::elf {

/// A word that moves with the payload.
struct MovingWord {
    bool is_there  = false;
    bool has_value = false; // or what stands at its place is the value
    u64 place      = 0;     // as linked: eight bytes in the memory of one segment
    u64 value      = 0;     // as linked
    u64 named_at   = 0;     // where the file says how large the table is that names it
};

class Relocations {
  public:
    /// Finds the tables; there are none where the image has a fixed place. File and image must
    /// outlive this.
    Fault open(Bytes file, const Image& image);

    /// The next word, or none after the last.
    Fault next(MovingWord& word);

  private:
    struct Table {
        u64 address  = 0; // as linked
        u64 size     = 0;
        u64 named_at = 0;
        Bytes entries;
        u64 at = 0; // of the next one
    };

    Fault read_dynamic();
    Fault find(Table& table) const;
    Fault take(const Table& table, u64 place, const u64* value, MovingWord& word) const;

    Bytes file_;
    const Image* image_ = nullptr;
    Table rela_;
    Table relr_;
    u64 bitmap_ = 0; // of words that are still to come,
    u64 group_  = 0; // the first of which is here,
    u64 behind_ = 0; // and the first behind all that the table has named so far
};

/// What a loader says of a word that it has no place for.
constexpr Fault no_such_word(const MovingWord& word) {
    return damaged("relocations of the payload's own data", word.named_at, word.place);
}

} // namespace vestibule::elf
