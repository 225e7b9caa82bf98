// SPDX-License-Identifier: BSD-2-Clause-Patent
// See references.h. Sizes as the reader has checked them: header_checks.cpp, vp_context_checks.cpp.
#include "igvm/format/references.h"

#include "igvm/format/vp_context.h"

namespace vestibule::igvm {

static u64 context_size(const File& file, const VpContext& context) {
    switch (file.platform_of(context.compatibility_mask).value_or(PlatformType::native)) {
    case PlatformType::vsm_isolation:
        return sizeof(u32)
               + u64{load<u32>(file.data(context.file_offset, sizeof(u32)))} * sizeof(VbsRegister);
    default: return page_size;
    }
}

std::optional<DataReference> reference_of(const File& file, const Header& header) {
    const auto reference = [](u64 field, u32 file_offset,
                              u64 size) -> std::optional<DataReference> {
        if (file_offset == 0) {
            return std::nullopt;
        }
        return DataReference{.field = field, .file_offset = file_offset, .size = size};
    };
    if (const auto page = header.as<PageData>()) {
        return reference(offsetof(PageData, file_offset), page->file_offset, page_size);
    }
    if (const auto area = header.as<ParameterArea>()) {
        return reference(offsetof(ParameterArea, file_offset), area->file_offset,
                         area->number_of_bytes);
    }
    if (const auto context = header.as<VpContext>()) {
        return reference(offsetof(VpContext, file_offset), context->file_offset,
                         context_size(file, *context));
    }
    if (const auto corim = header.as<CorimData>()) {
        return reference(offsetof(CorimData, file_offset), corim->file_offset, corim->size_bytes);
    }
    return std::nullopt;
}

} // namespace vestibule::igvm
