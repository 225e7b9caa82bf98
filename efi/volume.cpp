// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/volume.h"

#include "efi/config.h"
#include "efi/firmware.h"

namespace vestibule::efi {

namespace {

constexpr EFI_GUID loaded_image_guid = {
    0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}
};
constexpr EFI_GUID file_system_guid = {
    0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}
};
constexpr EFI_GUID file_info_guid = {
    0x09576e92, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}
};

constexpr bool is_separator(char character) { return character == '\\' || character == '/'; }

/// A path as EFI wants it: absolute, with backslashes.
struct Path {
    CHAR16 wide[max_path + own_folder.size + 1] = {};
    u64 size                                    = 0;

    void add(Text text) {
        for (u64 i = 0; i < text.size && size + 1 < sizeof(wide) / sizeof(wide[0]); ++i) {
            wide[size++] = is_separator(text[i]) ? u16{'\\'} : static_cast<u8>(text[i]);
        }
    }
};

/// A file that closes itself.
struct OpenFile {
    EFI_FILE_PROTOCOL* file = nullptr;

    OpenFile() = default;

    OpenFile(const OpenFile&)            = delete;
    OpenFile& operator=(const OpenFile&) = delete;

    ~OpenFile() {
        if (file != nullptr) {
            (void)file->Close(file);
        }
    }
};

Problem look_at(EFI_FILE_PROTOCOL* file, Text path, u64& size) {
    // With room for the longest name behind it (section 13.5.16).
    alignas(8) u8 buffer[sizeof(EFI_FILE_INFO) + 2 * (max_path + 1)];
    UINTN length            = sizeof(buffer);
    EFI_GUID kind           = file_info_guid;
    const EFI_STATUS status = file->GetInfo(file, &kind, &length, buffer);
    if (status != EFI_SUCCESS) {
        return problem(Trouble::device, path,
                       ": the firmware cannot say its size: ", name_of(status));
    }
    const auto& info = *reinterpret_cast<const EFI_FILE_INFO*>(buffer);
    if ((info.Attribute & EFI_FILE_DIRECTORY) != 0) {
        return problem(Trouble::not_found, path, " is a folder, expected a file");
    }
    size = info.FileSize;
    return no_problem;
}

} // namespace

void Volume::close() {
    if (root_ != nullptr) {
        (void)root_->Close(root_);
    }
    root_ = nullptr;
}

Problem Volume::open() {
    const auto* loaded = protocol<EFI_LOADED_IMAGE>(firmware.image, loaded_image_guid);
    if (loaded == nullptr) {
        return problem(Trouble::not_found, "the firmware does not say from where this was loaded "
                                           "(no loaded image protocol)");
    }
    auto* files = protocol<EFI_FILE_IO_INTERFACE>(loaded->DeviceHandle, file_system_guid);
    if (files == nullptr) {
        return problem(Trouble::not_found, "this was not started from a volume with files (no "
                                           "simple file system protocol on its device)");
    }
    if (const EFI_STATUS status = files->OpenVolume(files, &root_); status != EFI_SUCCESS) {
        root_ = nullptr;
        return problem(Trouble::device, "the volume cannot be opened: ", name_of(status));
    }
    return no_problem;
}

Problem Volume::read(Text path, Pages& memory, u64& size, u64 limit) {
    Path wide;
    if (!is_separator(path[0])) {
        wide.add(own_folder);
    }
    wide.add(path);
    OpenFile open;
    EFI_STATUS status = root_->Open(root_, &open.file, wide.wide, EFI_FILE_MODE_READ, 0);
    if (status != EFI_SUCCESS) {
        open.file = nullptr;
        if (status == EFI_NOT_FOUND) {
            return problem(Trouble::not_found, "there is no ",
                           is_separator(path[0]) ? Text{} : own_folder, path,
                           " on the volume that this was started from");
        }
        return problem(Trouble::device, path, " cannot be opened: ", name_of(status));
    }
    if (Problem wrong = look_at(open.file, path, size); wrong.is_there()) {
        return wrong;
    }
    if (size == 0) {
        return no_problem; // and no memory
    }
    if (!memory.allocate(size, page_size, EfiLoaderData, limit)) {
        return problem(Trouble::memory, "too little memory: ", path, " has ", size,
                       " bytes, for which there is no room below ", Hex{limit});
    }
    UINTN length = size;
    status       = open.file->Read(open.file, &length, memory.at());
    if (status != EFI_SUCCESS || length != size) {
        return problem(Trouble::device, path, " cannot be read: ",
                       status == EFI_SUCCESS ? Text{"it ends early"} : name_of(status));
    }
    return no_problem;
}

} // namespace vestibule::efi
