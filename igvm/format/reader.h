// SPDX-License-Identifier: BSD-2-Clause-Patent
// Reading an IGVM file: parse() checks every rule of the format once, and what it returns is then
// iterated without further checks, without allocation and without a libc: sevsim's monitor reads
// its guest with this same code. The file is hostile; its bytes are copied out, never cast. What
// the igvm crate accepts is accepted here: of a tolerated rule (error.h) one may not rely on.
#pragma once

#include "igvm/format/error.h"
#include "igvm/format/format.h"
#include "igvm/format/header_types.h"

#include <expected>
#include <optional>
#include <span>

namespace vestibule::igvm {

inline constexpr u32 all_platforms = ~u32{0};

/// A T out of unaligned bytes, of which there are enough.
template <class T>
T load(std::span<const u8> bytes, u64 offset = 0) {
    T value;
    __builtin_memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

/// One variable header of an accepted file.
struct Header {
    HeaderType type;
    u32 index;  // counted from 0 through all sections
    u64 offset; // of the content, in the file
    std::span<const u8> content;

    /// The content, if headers of this type carry a T.
    template <class T>
    [[nodiscard]] std::optional<T> as() const {
        if (!carries<T>(type)) {
            return std::nullopt;
        }
        return load<T>(content);
    }

    [[nodiscard]] const HeaderTypeRow& row() const {
        const HeaderTypeRow* own = find_header_type(type);
        return own != nullptr ? *own : unknown_optional_header;
    }

    /// The platforms it is for; headers without a mask are for all.
    [[nodiscard]] u32 compatibility_mask() const {
        const HeaderTypeRow& own = row();
        return own.mask == Mask::none ? all_platforms : load<u32>(content, own.mask_offset);
    }
};

/// The headers of one section that are for at least one platform of a mask; for all_platforms every
/// header, also one that is for none.
class HeaderRange {
  public:
    class Iterator {
      public:
        Header operator*() const;
        Iterator& operator++();

        bool operator==(const Iterator& other) const { return position_ == other.position_; }

      private:
        friend HeaderRange;

        Iterator(const HeaderRange& range, u64 position, u32 index);
        void skip_others();

        std::span<const u8> file_;
        u64 position_;
        u64 end_;
        u32 index_;
        u32 mask_;
    };

    [[nodiscard]] Iterator begin() const { return {*this, first_, first_index_}; }

    [[nodiscard]] Iterator end() const { return {*this, end_, 0}; }

  private:
    friend class File;

    HeaderRange(std::span<const u8> file, u64 first, u64 end, u32 first_index, u32 mask)
        : file_(file), first_(first), end_(end), first_index_(first_index), mask_(mask) {}

    std::span<const u8> file_;
    u64 first_;
    u64 end_;
    u32 first_index_;
    u32 mask_;
};

/// By the specification's text, a loader may skip a header of a type that it does not know where
/// the type has bit 31 set. The igvm crate, and with it QEMU, refuses such files instead. A file
/// that loads nowhere is not one for a loader to accept: what is skipped by one reader and not by
/// another is also a place to hide. Tools that show or copy a file keep them.
enum class OptionalHeaders : u8 { refused, kept };

/// Takes what parse() remarks on: each place where a tolerated rule is broken, in the file's order,
/// also of a file that is refused for another one in the end. None is taken where `take` is null.
struct Remarks {
    void (*take)(void* taker, const Error& remark) = nullptr;
    void* taker                                    = nullptr;

    void operator()(const Error& remark) const {
        if (take != nullptr) {
            take(taker, remark);
        }
    }
};

/// An accepted file. It refers to the bytes that were parsed, which must outlive it.
class File {
  public:
    /// A version 1 header reads as x64 with pages of 4096 bytes.
    [[nodiscard]] const FixedHeaderV2& fixed_header() const { return fixed_header_; }

    [[nodiscard]] HeaderRange platforms() const {
        return section(Section::platform, all_platforms);
    }

    [[nodiscard]] HeaderRange initialization(u32 mask = all_platforms) const {
        return section(Section::initialization, mask);
    }

    [[nodiscard]] HeaderRange directives(u32 mask = all_platforms) const {
        return section(Section::directive, mask);
    }

    /// The compatibility mask of a platform, 0 where the file does not support it.
    [[nodiscard]] u32 mask_of(PlatformType platform) const;

    /// The platform that one bit of a compatibility mask stands for; the last of those that share
    /// it.
    [[nodiscard]] std::optional<PlatformType> platform_of(u32 mask) const;

    /// File data that parse() has checked to be there.
    [[nodiscard]] std::span<const u8> data(u32 file_offset, u64 size) const {
        return bytes_.subspan(file_offset, size);
    }

    /// Content of a page; empty for a page of zeros.
    [[nodiscard]] std::span<const u8> data(const PageData& page) const {
        return page.file_offset == 0 ? std::span<const u8>{} : data(page.file_offset, page_size);
    }

    [[nodiscard]] std::span<const u8> bytes() const { return bytes_; }

  private:
    friend std::expected<File, Error> parse(std::span<const u8> bytes, OptionalHeaders optional,
                                            Remarks remarks);

    struct Bounds {
        u64 first;
        u64 end;
        u32 first_index;
    };

    [[nodiscard]] HeaderRange section(Section which, u32 mask) const {
        const Bounds& bounds = sections_[static_cast<unsigned>(which)];
        return {bytes_, bounds.first, bounds.end, bounds.first_index, mask};
    }

    std::span<const u8> bytes_;
    FixedHeaderV2 fixed_header_{};
    Bounds sections_[3]{};
};

/// The file if every rule of the format holds but tolerated ones, otherwise the first rule that
/// does not.
std::expected<File, Error> parse(std::span<const u8> bytes,
                                 OptionalHeaders optional = OptionalHeaders::refused,
                                 Remarks remarks          = {});

} // namespace vestibule::igvm
