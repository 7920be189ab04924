#include "files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *type_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot != NULL && strcmp(dot, ".html") == 0)
        return "text/html; charset=utf-8";
    return "text/plain; charset=utf-8";
}

int file_read(const char *path, struct file *file)
{
    char name[512];
    snprintf(name, sizeof name, "public%s", strcmp(path, "/") == 0 ? "/index.html" : path);
    FILE *stream = fopen(name, "rb");
    if (stream == NULL)
        return -1;
    fseek(stream, 0, SEEK_END);
    long length = ftell(stream);
    rewind(stream);
    file->bytes = length >= 0 ? malloc((size_t)length + 1) : NULL;
    if (file->bytes != NULL) {
        file->length = fread(file->bytes, 1, (size_t)length, stream);
        file->type = type_of(name);
    }
    fclose(stream);
    return file->bytes != NULL ? 0 : -1;
}
