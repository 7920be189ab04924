#include "http.h"

#include <stdio.h>
#include <unistd.h>

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    default: return "Method Not Allowed";
    }
}

static int write_all(int connection, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t taken = write(connection, bytes, length);
        if (taken <= 0)
            return -1;
        bytes += taken;
        length -= (size_t)taken;
    }
    return 0;
}

int answer_write(int connection, int status, const char *type, const char *body, size_t length)
{
    char head[256];
    int used = snprintf(head, sizeof head,
                        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                        status, reason(status), type, length);
    if (used < 0 || (size_t)used >= sizeof head)
        return -1;
    return write_all(connection, head, (size_t)used) == 0 && write_all(connection, body, length) == 0 ? 0 : -1;
}
