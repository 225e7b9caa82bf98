// SPDX-License-Identifier: BSD-2-Clause-Patent
// Building an IGVM file. The writer lays out what it is given and finds no excuse for it: finish()
// reads the result with the reader, so that it never hands out a file that the reader refuses.
// The same calls in the same order give the same bytes.
#pragma once

#include "igvm/format/reader.h"

#include <type_traits>
#include <unordered_map>
#include <vector>

namespace vestibule::igvm {

template <class T>
concept HeaderContent = std::is_trivially_copyable_v<T> && requires { T::types[0]; };

class Writer {
  public:
    explicit Writer(u32 format_version = 1, Architecture architecture = Architecture::x64)
        : version_(format_version), architecture_(architecture) {}

    /// A hint, before anything else: how many bytes of headers and data there will be. Where it
    /// holds, nothing is copied twice.
    void reserve(u64 headers, u64 data);

    /// Declares a platform and returns the mask bit that stands for it from now on.
    u32 add_platform(PlatformType platform, u64 shared_gpa_boundary = 0);

    /// Appends a header as it is; the type has to be named where several types share a content.
    template <HeaderContent T>
    void add(const T& content, HeaderType type = T::types[0]) {
        append(type, {reinterpret_cast<const u8*>(&content), sizeof(T)}); // NOLINT: as bytes
    }

    /// Appends a header and its data, whose place in the file the writer fills in. Data that an
    /// earlier header has already brought is stored once.
    template <HeaderContent T>
        requires requires(T content) { content.file_offset; }
    void add(const T& content, std::span<const u8> data, HeaderType type = T::types[0]) {
        add(content, type);
        refer(offsetof(T, file_offset), place(data));
    }

    /// Appends a page of up to 4096 bytes, filled up with zeros. One that is all zero takes no
    /// data: that is what a file offset of 0 says.
    void add_page(PageData page, std::span<const u8> data);

    /// What the functions above consist of, for those who copy headers: see rewrite.h. A header as
    /// bytes, which may be an optional one;
    void append(HeaderType type, std::span<const u8> content);
    /// data behind all data that is there already, and its place;
    u64 append_data(std::span<const u8> data);
    /// a field of the last header that is to hold the file offset of a place.
    void refer(u64 field, u64 place);

    [[nodiscard]] std::expected<std::vector<u8>, Error> finish() const&;
    [[nodiscard]] std::expected<std::vector<u8>, Error> finish() &&;

  private:
    struct Blob {
        u64 place; // in data()
        u64 size;
    };

    struct Reference {
        u64 field; // in headers_
        u64 data;  // in data()
    };

    u64 place(std::span<const u8> data);
    [[nodiscard]] u64 data_start() const;
    /// Completes a file whose data stand already behind room for its headers.
    [[nodiscard]] std::expected<std::vector<u8>, Error> complete(std::vector<u8>&& file) const;

    [[nodiscard]] std::span<const u8> data() const { return std::span(data_).subspan(gap_); }

    u32 version_;
    Architecture architecture_;
    OptionalHeaders optional_ = OptionalHeaders::refused;
    unsigned platforms_       = 0;
    u64 last_content_         = 0; // of the last header, in headers_
    std::vector<u8> headers_;
    u64 gap_ = 0; // room at the start of data_ for what will precede the data
    std::vector<u8> data_;
    std::vector<Reference> references_;
    std::unordered_multimap<u64, Blob> blobs_; // what place() has put into data_, by its hash
};

} // namespace vestibule::igvm
