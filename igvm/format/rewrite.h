// SPDX-License-Identifier: BSD-2-Clause-Patent
// A file written again: what it says, laid out as the writer does it. For a file that the writer
// wrote the result is the same byte for byte. For any other valid one it is a file that says the
// same: every header in its place, unknown optional ones too, with the same data; what is gone is
// what no header refers to. The result is never longer than the file, whatever overlaps in it.
#pragma once

#include "igvm/format/writer.h"

namespace vestibule::igvm {

/// Copies headers, one by one, for those who change some of them.
class FileCopy {
  public:
    /// Gives the new file all data that the old one's headers refer to.
    explicit FileCopy(const File& from);

    /// Appends a header of the old file.
    void copy(const Header& header);

    Writer& writer() { return writer_; }

  private:
    /// Data that hangs together: references overlap in it.
    struct Stretch {
        u64 first; // in the old file
        u64 end;
        u64 place; // in the new file's data
    };

    const File& from_;
    Writer writer_;
    std::vector<Stretch> stretches_; // ascending
};

std::expected<std::vector<u8>, Error> rewrite(const File& file);

/// Whether two files say the same: headers, their order and data, wherever the data lies.
bool same_content(const File& one, const File& other);

/// All headers of a file in its order: body(const Header&).
template <class Body>
void for_each_header(const File& file, Body body) {
    for (const HeaderRange& section :
         {file.platforms(), file.initialization(), file.directives()}) {
        for (const Header header : section) {
            body(header);
        }
    }
}

} // namespace vestibule::igvm
