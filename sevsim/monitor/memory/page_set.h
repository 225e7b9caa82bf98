// SPDX-License-Identifier: BSD-2-Clause-Patent
// A set of pages of guest memory.
#pragma once

#include "sevsim/monitor/memory/memory.h"
#include "x86/types.h"

namespace vestibule::sevsim {

class PageSet {
  public:
    /// An empty set for pages below `end`.
    void make(u64 end) {
        constexpr u64 bytes_in_page = page_size * page_size * 8;
        words_ = static_cast<u64*>(allocate_pages((end + bytes_in_page - 1) / bytes_in_page));
        end_   = end;
    }

    bool is_empty() const { return count_ == 0; }

    bool has(u64 page) const { return page < end_ && (words_[word_of(page)] & mask_of(page)) != 0; }

    void add(u64 page) {
        u64& word = words_[word_of(page)];
        count_ += (word & mask_of(page)) == 0 ? 1 : 0;
        word |= mask_of(page);
    }

    void remove(u64 page) {
        u64& word = words_[word_of(page)];
        count_ -= (word & mask_of(page)) != 0 ? 1 : 0;
        word &= ~mask_of(page);
    }

    /// Empties it; `take` is called with each page, in order.
    template <class Take>
    void take_each(Take take) {
        for (u64 n = 0; count_ != 0; ++n) {
            for (; words_[n] != 0; words_[n] &= words_[n] - 1) {
                --count_;
                take((n * 64 + static_cast<u64>(__builtin_ctzll(words_[n]))) * page_size);
            }
        }
    }

  private:
    static u64 word_of(u64 page) { return page / page_size / 64; }

    static u64 mask_of(u64 page) { return bit(page / page_size % 64); }

    u64* words_ = nullptr; // bit n of word n / 64: page n
    u64 end_    = 0;
    u64 count_  = 0;
};

} // namespace vestibule::sevsim
