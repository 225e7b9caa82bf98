// Building an IGVM file. The writer lays out what it is given and finds no excuse for it: finish()
// reads the result with the reader, so that it never hands out a file that the reader refuses.
// The same calls in the same order give the same bytes.
#pragma once

#include "igvm/reader.h"

#include <map>
#include <string>
#include <type_traits>
#include <vector>

namespace vestibule::igvm {

template <class T>
concept HeaderContent = std::is_trivially_copyable_v<T> && requires { T::types[0]; };

class Writer {
  public:
    explicit Writer(u32 format_version = 1, Architecture architecture = Architecture::x64)
        : version_(format_version), architecture_(architecture) {}

    /// Declares a platform and returns the mask bit that stands for it from now on.
    u32 add_platform(PlatformType platform, u64 shared_gpa_boundary = 0);

    /// Appends a header as it is; the type has to be named where several types share a content.
    template <HeaderContent T>
    void add(const T& content, HeaderType type = T::types[0]) {
        append(type, &content, sizeof(T));
    }

    /// Appends a header and its data, whose place in the file the writer fills in. Data that an
    /// earlier header has already brought is stored once.
    template <HeaderContent T>
        requires requires(T content) { content.file_offset; }
    void add(const T& content, std::span<const u8> data, HeaderType type = T::types[0]) {
        add(content, type);
        references_.push_back(
            {headers_.size() - padded(sizeof(T)) + offsetof(T, file_offset), place(data)});
    }

    /// Appends a page of up to 4096 bytes, filled up with zeros. One that is all zero takes no
    /// data: that is what a file offset of 0 says.
    void add_page(PageData page, std::span<const u8> data);

    [[nodiscard]] std::expected<std::vector<u8>, Error> finish() const;

  private:
    struct Reference {
        u64 field; // in headers_
        u64 data;  // in data_
    };

    void append(HeaderType type, const void* content, u64 size);
    u64 place(std::span<const u8> data);

    u32 version_;
    Architecture architecture_;
    unsigned platforms_ = 0;
    std::vector<u8> headers_;
    std::vector<u8> data_;
    std::vector<Reference> references_;
    std::map<std::string, u64> places_; // of data already in data_
};

} // namespace vestibule::igvm
