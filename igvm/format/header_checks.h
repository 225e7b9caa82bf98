// SPDX-License-Identifier: BSD-2-Clause-Patent
// The rules for what stands in a variable header, some of which depend on the headers before it:
// platforms declared, parameter areas open, relocation regions taken. Part of the reader.
#pragma once

#include "igvm/format/reader.h"

namespace vestibule::igvm {

/// A rule broken by a header's field at `field` bytes into its content.
inline Error fault(Rule rule, const Header& header, u64 field, u64 found,
                   std::optional<u64> wanted = {}) {
    return {.rule         = rule,
            .header_index = header.index,
            .offset       = header.offset + field,
            .found        = found,
            .wanted       = wanted};
}

/// Room for a few things without allocation.
template <class T, unsigned capacity>
class FixedList {
  public:
    bool add(const T& value) {
        if (size_ == capacity) {
            return false;
        }
        values_[size_++] = value;
        return true;
    }

    T* begin() { return values_; }

    T* end() { return values_ + size_; }

  private:
    T values_[capacity]{};
    unsigned size_ = 0;
};

class HeaderChecks {
  public:
    using Result = std::optional<Error>;

    HeaderChecks(std::span<const u8> file, const FixedHeaderV2& fixed_header,
                 const Remarks& remarks)
        : file_(file), remarks_(remarks), architecture_(fixed_header.architecture),
          data_start_(u64{fixed_header.common.variable_header_offset}
                      + fixed_header.common.variable_header_size) {}

    /// Takes the headers in file order, each of known type and right length.
    Result check(const Header& header);

    [[nodiscard]] bool has_platform() const { return declared_ != 0; }

    /// Behind the last header: the relocation whose VP context never came.
    [[nodiscard]] Result missing_context();

  private:
    struct Area {
        u64 size;
        u32 index;
        bool inserted;
    };

    struct Region {
        u32 mask;
        u64 gpa;
        u64 size;

        /// In differences, since a region may end where 64-bit addresses do.
        [[nodiscard]] bool overlaps(const Region& other) const {
            return (mask & other.mask) != 0
                   && (gpa <= other.gpa ? other.gpa - gpa < size : gpa - other.gpa < other.size);
        }
    };

    /// A relocation that names a VP, until a VBS context of that VP has been seen.
    struct NamedVp {
        u32 mask;
        u16 vp_index;
        u8 vtl;
        bool seen;
        u32 header_index;
        u64 offset;
    };

    /// An error where the rule is not tolerated, otherwise a remark.
    [[nodiscard]] Result judge(const Error& error) const;

    // One per header type that has rules beyond the tables.
    Result platform(const Header& header);
    Result relocatable_region(const Header& header);
    Result page_table_region(const Header& header);
    Result corim(const Header& header);
    Result cca_policy(const Header& header);
    Result parameter_area(const Header& header);
    Result page_data(const Header& header);
    Result parameter_insert(const Header& header);
    Result vp_context(const Header& header);
    Result required_memory(const Header& header);
    Result error_range(const Header& header);
    Result usage(const Header& header);

    [[nodiscard]] Result mask(const Header& header) const;
    [[nodiscard]] Result data(const Header& header, u64 field, u32 file_offset, u64 size) const;
    [[nodiscard]] Result native_context(const Header& header, u32 file_offset) const;
    [[nodiscard]] Result cca_context(const Header& header, u64 field, u32 file_offset) const;
    Result vbs_context(const Header& header, u64 field, const VpContext& context);
    Result open_area(const Header& header, u64 field, u32 index, Area*& area);
    Result name_vp(const Header& header, u64 field, const NamedVp& vp);
    Result add_relocation(const Header& header, u64 field, const Region& region);

    std::span<const u8> file_;
    Remarks remarks_;
    Architecture architecture_;
    u64 data_start_;
    u32 declared_         = 0;           // platforms, by mask
    u32 platform_types_   = 0;           // by number
    u32 corim_documents_  = 0;           // platforms that have one
    u32 corim_signatures_ = 0;           // and its signature
    PlatformType platform_of_bit_[32]{}; // by bit number of the mask
    FixedList<Area, 64> areas_;
    FixedList<Region, 64> relocations_; // with page tables, of which a mask names at most 32
    FixedList<Region, 32> page_tables_;
    FixedList<NamedVp, 64> named_vps_;
};

} // namespace vestibule::igvm
