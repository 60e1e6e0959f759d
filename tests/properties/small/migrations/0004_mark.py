from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("small", "0003_mark")]
    operations = [
        migrations.RunSQL("INSERT INTO marks VALUES (4)"),
    ]
