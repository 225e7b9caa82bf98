// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which file data a header refers to, of whatever type the header is.
#pragma once

#include "igvm/format/reader.h"

namespace vestibule::igvm {

struct DataReference {
    u64 field; // of the file offset, in the header's content
    u32 file_offset;
    u64 size;
};

/// Of a header of that file. None where the type has no data or the header brings none.
std::optional<DataReference> reference_of(const File& file, const Header& header);

/// The data of a reference, which parse() has checked to be there.
inline std::span<const u8> data_of(const File& file, const DataReference& reference) {
    return file.data(reference.file_offset, reference.size);
}

} // namespace vestibule::igvm
