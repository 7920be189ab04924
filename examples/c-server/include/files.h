/* The files below public/ that the server shows. */
#ifndef FILES_H
#define FILES_H

#include <stddef.h>

/* A file in memory. */
struct file {
    char *bytes;
    size_t length;
    const char *type;
};

/* Reads the file a request path means; 0 if it was found, else -1. Free bytes afterwards. */
int file_read(const char *path, struct file *file);

#endif
